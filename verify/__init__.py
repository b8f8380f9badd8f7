"""The protocol of PROTOCOL.md, for a reader who trusts nobody.  A copy of this folder under another name works, too."""
