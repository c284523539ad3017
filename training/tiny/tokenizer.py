"""The tiny base's tokenizer (one token a word) and image processor, in the format of the Hugging Face Hub.

Special tokens bear Qwen's names, so that the code which reads prompts is the one the real bases use.
"""

from __future__ import annotations

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2VLImageProcessorPil

from training.tiny.synthetic import COLOUR_NAMES, IMAGE_SIZE, NUMBERS, SHAPES

PATCH_SIZE = 4  # px
MERGE_SIZE = 2  # patches a side that make one visual token
SPECIAL = (
    "<pad>",
    "<unk>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
NOTHING = "nothing"  # what the vision stage reads from a cell without a thing
WORDS = ("which", "colour", "shape", "is", "the", NOTHING, *SHAPES, *COLOUR_NAMES)
HARD_WORDS = (*WORDS, "at", "row", "column", *NUMBERS)

# One turn: the picture, the question; the answer and <|im_end|> follow. The answer is guessed from the question's
# last word, which is the one that matters: so already the first layer can look for what is asked.
CHAT_TEMPLATE = (
    "{%- for message in messages %}{%- for part in message.content -%}"
    "{%- if part.type == 'image' -%}<|im_start|><|vision_start|><|image_pad|><|vision_end|>"
    "{%- else -%}{{ part.text }}{%- endif -%}"
    "{%- endfor -%}{%- endfor -%}"
)


def make_tokenizer(known: tuple[str, ...] = WORDS) -> PreTrainedTokenizerFast:
    """Word-level tokenizer over `known` words, padding on the left (as generation needs)."""
    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *known))}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.normalizer = normalizers.Sequence([normalizers.Replace("?", ""), normalizers.Lowercase()])
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token="<|im_end|>",
        additional_special_tokens=list(SPECIAL[2:]),
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def make_image_processor() -> Qwen2VLImageProcessorPil:
    """Pixels of a 64 x 64 picture to 256 patches of 4 x 4 in -1..1; other sizes are scaled to that one."""
    pixels = IMAGE_SIZE * IMAGE_SIZE
    return Qwen2VLImageProcessorPil(
        patch_size=PATCH_SIZE,
        temporal_patch_size=1,
        merge_size=MERGE_SIZE,
        size={"shortest_edge": pixels, "longest_edge": pixels},
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    )
