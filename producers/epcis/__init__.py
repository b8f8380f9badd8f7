"""
EPCIS 2.0 for those who keep records: building events, checking them, and reading other systems' documents.

    build       typed builders for what a farm, a warehouse or a group leader does
    validate    the schema (schema.json, our own) and the rules beyond it
    document    EPCIS documents in, one event at a time, numbers as received
    kde         where each data element that a food law asks for stands in an event

Not here: reading an event for its subjects and edges, which a verifier must do too (verify/epcis.py).
"""
