"""The HTTP edge: the aiohttp adapter, what a handler gets and gives, and the dialects."""
