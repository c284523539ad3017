"""What the Hugging Face Hub gets of a run: the selector, what it takes to use it, and a card made from the run.

`record` (run.json: all that is known of a result, in one file) is left beside the selector by the trainer; `card`,
`curves` and `package` are pure functions of it; `client` sends a package as one commit; `upload` does that for a run
as a process of its own (`python -m training.hub.upload RUN`); `publisher` is the trainer's side of that process.
Nothing here imports torch.
"""
