"""Receives the rest of a body that no endpoint wants, because many clients read the response only after they have sent all."""

from contextlib import suppress

import anyio

from .middleware import App, Message, Receive, Scope, Send

SECONDS = 4.0  # maximum time; the connection of a slower client is closed, and the client may not see why


class Draining:
    """ASGI middleware that receives the whole body of a request before the response begins.

    If the response to "Connection: close" came earlier, the connection would be closed while the client sends. The client
    would then report a broken connection instead of the reason in the response.

    Args:
        app: the ASGI application.
        seconds: maximum time to receive the rest of a body.
    """

    def __init__(self, app: App, seconds: float = SECONDS) -> None:
        self.app, self.seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A client that expects "100 Continue" waits for a response before it sends the body.
        if scope["type"] != "http" or any(name == b"expect" for name, _ in scope["headers"]):
            return await self.app(scope, receive, send)
        complete = False

        async def received() -> Message:
            nonlocal complete
            message = await receive()
            complete = not message.get("more_body", False)  # also if the client has disconnected
            return message

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                with suppress(TimeoutError), anyio.fail_after(self.seconds):
                    while not complete:
                        await received()
            await send(message)

        await self.app(scope, received, sent)
