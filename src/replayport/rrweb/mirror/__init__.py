"""
The mirror: the DOM of one window at any instant, rebuilt from its events.

```
tree.py        the nodes, and how mutations change them, by rrweb's rules
dom.py         Mirror: the tree, what is beside it (fields, scroll, sheets), questions
index.py       which elements have this tag, id, label, test id: kept up as the page changes
accessible.py  role, name and text, as a person or a screen reader has them
selectors.py   CSS selectors, compiled once, cheap on every node
css.py         style attributes and rules that scripts changed
html.py        the page as HTML
```
"""

from replayport.rrweb.mirror.dom import Mirror, mirror_of
from replayport.rrweb.mirror.selectors import Selectors

__all__ = ["Mirror", "Selectors", "mirror_of"]
