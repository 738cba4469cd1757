"""What Schemathesis cannot know of the API from its description."""

import itertools

import schemathesis

KEY = "Idempotency-Key"
KEY_MAX = 255
times = itertools.count()


@schemathesis.hook
def before_call(context, case, **kwargs):
    """A key stands for one request: used again it is answered as before, or refused with 422. So each request has its own."""
    key = (case.headers or {}).get(KEY)
    if isinstance(key, str) and 1 <= len(key.encode()) <= KEY_MAX:
        case.headers[KEY] = f"{next(times)} {key}"[:KEY_MAX]
