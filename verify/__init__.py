"""
Originmark's protocol: every byte format and every cryptographic decision, for a reader who trusts nobody.

Standard library and `cryptography` only, relative imports only: a copy of this folder under another name works.
The numbered protocol is PROTOCOL.md beside this file; `python -m verify` runs it.
"""
