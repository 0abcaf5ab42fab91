"""The recording file: schema, writer, reader, bundle, verification (see ``spec/``)."""
