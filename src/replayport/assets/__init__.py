"""
Assets: the stylesheets, images and fonts that a recording names and does not carry.

```
events ──find──> addresses ──fetch──> bytes ──freeze──> assets/<ab>/<sha256>
                     ^                  │                assets.json, manifest
                     └── in stylesheets ┘
```

`find` reads, `fetch` is the only part that touches the network, `freeze` stores. Nothing
is fetched when a recording is played: the player is given what was frozen.
"""
