"""The parts of the hammer (tests/bench/hammer.py): who signs, who writes, who reads, what is remembered, what is counted."""
