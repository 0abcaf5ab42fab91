"""rrweb's vocabulary: events, nodes, packing. Pure: no files, no sockets, no clock."""
