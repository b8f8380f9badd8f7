"""
What a farm, a warehouse or a group leader runs: keys, records, an outbox that survives a dead network, labels.

    private     files that only their owner may read        keys      signing keys, and asking a registrar for a grant
    records     what is told: exact payload texts            split     an event of more subjects than an entry may hold
    importer    files in, signed statements out              sheets    the spreadsheets that are handed out
    header      which sheet and columns are ours             rows      filled sheets read back in
    workbook    files as rows of cells                       hidden    cells whose formula failed
    outbox      every signed statement, until others saw it  client    the log's HTTP interface, from outside
    refusals    what the log refused, until it is put right  forms     JSON files of records that are no event
    resigning   refused records, with another key            minting   the prefixes under which a party names lots
    trust       receipts and checkpoints, verified           delivery  sending, and taking receipts
    follow      coverage, and entries under one's own name   labels    item codes, their commitment, sheets to print
    commitments what waits until the codes can be proven     resolver  the address that labels point to
    epcis/      building, checking and reading events        cli/      `python -m producers`

Only `verify` is imported: a farm needs nothing of the operator's.
"""
