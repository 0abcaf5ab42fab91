"""
What happened in a recording, worked out of its events: pure, events in, values out.

```
actions.py    what an action is: its kinds, its fields
reading.py    reads actions from events: clicked, typed, chose, scrolled, went elsewhere
targets.py    the element an action is about
locators.py   how to find an element again: test id, role and name, label …
wording.py    an action as a sentence
tables.py     actions as an Arrow table
```
"""
