"""Reading the project's own code: what is in it that will not work on the day, by file and line.

Each module holds the rules of one subject (`RULES`) and a pure function from text to findings; `finding.py` says
what a finding is and what an item's verdict is made of.
"""
