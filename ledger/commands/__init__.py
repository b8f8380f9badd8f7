"""
The operator's commands, one file a subject.  They open what they need from settings, say what they did, and close it.

Not here: any rule.  A command that writes to the log signs a statement and submits it like everybody else.
"""
