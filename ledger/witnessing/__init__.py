"""
A witness for other people's logs: cosigns what only grew, keeps what convicts, needs nothing of the log's own database.

    wire        the add-checkpoint request as text, both ways
    memory      what was cosigned and what was caught, in one SQLite file
    cosigner    the judgement: which checkpoint is cosigned, which is refused, which is evidence
    app         the same over HTTP

Who asks a witness is ledger/witnesses.py; the commands are in ledger/commands/witness.py.

Source: c2sp.org/tlog-witness, tlog-cosignature.
"""
