"""What the Python servers of the matrix offer, whichever SDK serves it: what the demo server does,
under the same names."""

import asyncio
import json
import os
import socket
import sys
import threading

import uvicorn

WELCOME = "demo://welcome"
NOTE = "demo://note/"
WORDS = ["bridge", "bascule", "moat"]
LEVELS = ["debug", "info", "warning", "error"]
COLOUR = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
HAIKU = "Write a haiku about a drawbridge."
LOOK = {"message": "Please look at the bridge.", "url": "https://bridge.example/look"}


class World:
    """What the server's clients share."""

    def __init__(self):
        self.tools = ["echo_message", "hello_world", "streams", "change", "progress", "slow", "slow_calls"]
        self.tools += ["log", "elicit", "elicit_url", "sample", "roots"]
        self.uris, self.level = set(), None
        self.slow_calls, self.is_heard = 0, False
        self.moved = asyncio.Event()

    def move(self):
        self.moved.set()
        self.moved = asyncio.Event()

    async def until(self, is_so):
        while not is_so():
            await self.moved.wait()

    def hear(self):
        """Somebody listens to what the server tells by itself."""
        self.is_heard = True
        self.move()

    def schema(self, tool):
        region = {"region": {"type": "string", "x-mcp-header": "Region"}}
        return {"type": "object", "properties": region if tool == "hello_world" else {}}

    def text_at(self, uri):
        """The contents of a resource; None where there is none."""
        if uri == WELCOME:
            return "# Welcome"
        return f"A note on {uri.removeprefix(NOTE)}" if uri.startswith(NOTE) else None

    def words(self, value):
        return [word for word in WORDS if word.startswith(value)]

    async def call(self, tool, arguments, caller):
        """What a tool says that asks its caller nothing."""
        match tool:
            case "echo_message":
                return arguments["message"]
            case "hello_world":
                return f"Hello, {arguments['region']}!"
            case "streams":
                await self.until(lambda: self.is_heard)
                return "heard"
            case "change":
                await self.change(arguments["what"], caller)
                return f"changed: {arguments['what']}"
            case "progress":
                for step in range(1, arguments["steps"] + 1):
                    await caller.progress(step, arguments["steps"])
                return f"{arguments['steps']} steps done"
            case "slow":
                return await self.slow()
            case "slow_calls":
                await self.until(lambda: self.slow_calls == arguments["count"])
                return f"{arguments['count']} wait"
            case "log":
                for level in LEVELS:
                    await caller.log(level, "The bridge creaks")
                return "It was logged."

    async def change(self, what, caller):
        if what == "tools":
            self.tools.append("brand_new")
        await caller.tell(what)

    async def slow(self):
        self.slow_calls += 1
        self.move()
        try:
            await asyncio.Event().wait()
        finally:
            self.slow_calls -= 1
            self.move()


def hears(app, world):
    """Notes that a client opened the stream of what the server tells by itself."""

    async def noting(scope, receive, send):
        async def note(message):
            await send(message)
            is_stream = scope.get("method") == "GET" and message.get("status") == 200
            if message["type"] == "http.response.start" and is_stream:
                world.hear()

        await app(scope, receive, note)

    return noting


def end_with_parent():
    """No peer outlives its test, which holds the other end of stdin."""

    def watch():
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


async def serve(app, path="/mcp"):
    """Serves on a free loopback port and says where."""
    end_with_parent()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}{path}"}), flush=True)
    await uvicorn.Server(uvicorn.Config(app, log_level="warning")).serve(sockets=[listener])
