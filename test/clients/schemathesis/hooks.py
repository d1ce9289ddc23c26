"""How to send what is no JSON: policy files, for which JSON will do, and files of lines, which are texts already."""

import json

import schemathesis


@schemathesis.serializer("application/hujson", "application/x-ndjson")
def as_text(_context, value):
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "replace")
