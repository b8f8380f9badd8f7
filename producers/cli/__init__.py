"""
`python -m producers`: what a farm types.

    keygen, enroll              a key, and asking a registrar to grant it
    template, import, event     files in, or one event from options
    submit, status              sending, and how things stand
    labels                      item codes, sheets to print, the lot's commitment

Exit codes: 0 all good; 1 something was refused, or an alarm; 2 usage; 3 saved in the outbox, not yet sent.
Options that do not change stand in the environment: ORIGINMARK_ISSUER, _KEY, _OUTBOX, _SERVER, _POLICY, _PASSPHRASE.
"""
