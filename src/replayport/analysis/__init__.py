"""
What a recording says about the visit: actions, features, signals, score, heatmaps.

```
events ──> mirror of the page
   ├── actions.py      what an action is: its kinds, its fields
   │     ├── reading.py    reads actions from events: clicked, typed, chose, scrolled …
   │     ├── targets.py    the element an action is about
   │     ├── locators.py   how to find an element again: test id, role and name, label …
   │     ├── wording.py    an action as a sentence
   │     └── tables.py     actions as an Arrow table
   └── columns.py      arrays, made once: clicks, moves, scrolls, inputs, requests …
         ├── features.py   one row of numbers a recording
         ├── signals.py    moments of trouble, by the rules of profiles.py
         │     └── frustration.py   one number 0..1 from them, with its reasons
         └── heatmap.py    where people pointed, clicked and scrolled
console.py, network.py    what the page logged and asked for, whoever recorded it
```

Everything here is pure: no file, no socket, no clock. ``replayport.analysing`` reads recordings
and uses all cores.
"""
