"""
Datasets: the tables of many recordings in few large files, kept up to date.

```
<dataset>/
├── dataset.json                            which archive, which tables, which columns
├── events/day=2026-11-01/part-3f2a….parquet    the same recordings in each table's
├── console/day=2026-11-01/part-3f2a….parquet   part of the same name
├── …
└── _ledger/
    ├── day=2026-11-01.json                 which recording, in which revision, is where
    └── built/3f2a….json                    a part whose day is not written down yet
```

`ledger` has those files, `plan` decides what to build, `parts` builds it, `build` drives.
`bigquery` and `dlt_source` load the same tables elsewhere. Normative text: ``spec/dataset.md``.
"""

from replayport.errors import ReplayError


class DatasetError(ReplayError):
    """The place cannot take the dataset: it holds another, a newer one, or an archive."""
