"""One piece of work a file: a function for each framework that returns a step to be timed.

`step()` is one whole pass (forward, backward, update where there is one). The steps of one work
start from the same numbers.
"""
