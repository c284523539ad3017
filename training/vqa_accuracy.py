"""The official VQA accuracy of an answer that was given, against those of several people.

An answer counts fully when at least three of the others gave it: min(matches / 3, 1), averaged over the subsets that
leave out one person each. Before that it is normalised: punctuation and articles go, number words become digits,
contractions get their apostrophe back; of people's answers only the punctuation goes, and only where they differ.
Source: A. Agrawal et al., "VQA: Visual Question Answering", and its `vqaEval.py` (GT-Vision-Lab/VQA), whose rules these
are, odd ones included. With fewer than four people no answer can reach 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

ENOUGH = 3  # matches that make an answer fully right

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_DIGITS = {"none": "0", **{word: str(number) for number, word in enumerate(_NUMBERS)}}
_ARTICLES = frozenset({"a", "an", "the"})
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")

# What is right, with the misspellings of it that have more than one form or do not just lack every apostrophe.
_IRREGULAR = {
    "couldn't've": "couldn'tve couldnt've",
    "hadn't've": "hadnt've hadn'tve",
    "he'd've": "hed've he'dve",
    "it'd've": "itd've it'dve",
    "mightn't've": "mightnt've mightn'tve",
    "'ow's'at": "ow's'at 'ows'at 'ow'sat",
    "she'd've": "shed've she'dve",
    "shouldn't've": "shouldnt've shouldn'tve",
    "somebodyd": "somebody'd",
    "somebody'd've": "somebodyd've somebody'dve",
    "someone'd've": "someoned've someone'dve",
    "something'd've": "somethingd've something'dve",
    "there'd've": "thered've there'dve",
    "they'd've": "theyd've they'dve",
    "we'd've": "wed've we'dve",
    "who'd've": "whod've who'dve",
    "wouldn't've": "wouldnt've wouldn'tve",
    "y'all'll": "yall'll y'allll",
    "y'all'd've": "yall'd've y'alld've y'all'dve",
    "you'd've": "youd've you'dve",
}
# What is right, and loses its apostrophes when it is misspelt.
_REGULAR = """
    ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's isn't
    it'd it'll ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't should've shouldn't
    somebody'll somebody's someone'd someone'll someone's something'd something'll that's there'd there're there's
    they'd they'll they're they've 'twas wasn't we've weren't what'll what're what's what've when's where'd where's
    where've who'd who'll who's who've why'll why're why's won't would've wouldn't y'all you'd you'll you're you've
"""
_CONTRACTIONS = {wrong: right for right, all_wrong in _IRREGULAR.items() for wrong in all_wrong.split()} | {
    right.replace("'", ""): right for right in _REGULAR.split()
}


def vqa_accuracy(given: str, people: Sequence[str]) -> float:
    """0 to 1. `people`: what each of them answered, at least one."""
    given = normalised(given)
    theirs = [_without_marks(answer) for answer in people] if len(set(people)) > 1 else people
    matches, count = sum(answer == given for answer in theirs), len(people)
    of_others = matches * min(1.0, (matches - 1) / ENOUGH) if matches else 0.0
    return (of_others + (count - matches) * min(1.0, matches / ENOUGH)) / count


def vqa_accuracies(given: Sequence[str], people: Sequence[Sequence[str]], right: Sequence[bool]) -> list[float]:
    """Of each question, in a set of both kinds: the accuracy of what is `given` where several people answered it, else
    whether it is `right`, 0 or 1."""
    return [
        vqa_accuracy(text, said) if said else float(alone)
        for text, said, alone in zip(given, people, right, strict=True)
    ]


def normalised(answer: str) -> str:
    """An answer in the form in which answers are compared."""
    words = _without_marks(answer.replace("\n", " ").replace("\t", " ").strip()).lower().split()
    digits = (_DIGITS.get(word, word) for word in words)
    return " ".join(_CONTRACTIONS.get(word, word) for word in digits if word not in _ARTICLES)


def _without_marks(answer: str) -> str:
    """A mark next to a space anywhere goes without a trace, else a space takes its place; in an answer with a number
    like 1,000 all go without a trace. A period stays before a digit."""
    number = _COMMA_IN_NUMBER.search(answer) is not None
    left = answer
    for mark in _MARKS:
        loose = number or f"{mark} " in answer or f" {mark}" in answer
        left = left.replace(mark, "" if loose else " ")
    return _PERIOD.sub("", left)
