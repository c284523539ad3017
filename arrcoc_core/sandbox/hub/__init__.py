"""The Hugging Face Hub's protocol on loopback, for the real `huggingface_hub` client.

`service.Hub` routes a `request.Request` to a function of `reading` or `changing`. The modules below know one part of
the Hub each: `accounts` (tokens and what they may), `repositories` (refs, commits, files), `contents` (bytes, by their
hash), `committing`, `large_files` (Git LFS), `xet` and `xorbs` (uploads where hf_xet is installed), `resolving`
(downloads), `describing` (what the API says), `pages` (for browsers).

Rules are taken from the installed client (huggingface_hub 2.4): `hf_api.py`, `_commit_api.py`, `lfs.py`,
`file_download.py`, `utils/_http.py`, and from the Hub's API documentation.
"""
