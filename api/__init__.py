"""
The log over HTTP: endpoints and server-rendered pages; no rule of the domain.

    app, deps          the application, and what a request gets        problems, bodies, headers    the edge of every request
    statements         submitting, reading back, receipts              straight       the short way of a submission
    alone, together    who comes at one moment goes together           watcher        waiting without holding a thread
    log, anchors       static tiles, checkpoint, policy, anchors       resolver, linkset, scan      GS1 Digital Link
    trace, recalls, reports, labels, codes                             what the ledger computes
    pages, regulator   for people                                      ops            livez, readyz, metrics
    demo/, devchain    one season on one machine

Endpoints translate and delegate.  Only this edge and the ledger's own workers commit.
"""
