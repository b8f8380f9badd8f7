"""
What the operator runs: admission, sequencer, tiles, anchors, the trace graph, reports.

Everything that is computed here can be derived from the log again; `originmark audit` does.
"""
