"""
What happened in a recording, worked out of its events: pure, events in, values out.

```
actions.py    what the user did: clicked, typed, chose, scrolled, went elsewhere
locators.py   how to find an element again: test id, role and name, label …
wording.py    an action as a sentence
tables.py     actions as an Arrow table
```
"""
