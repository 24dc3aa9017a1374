"""usage: fastmcp-server.py [--access-ttl SECONDS]

FastMCP with the OAuth server it brings along, on a free loopback port. Its
quirks (an issuer that ends in a slash, no public clients, refusals without a
body) are listed in README.md. Nobody is asked anything: every sign-in is
granted at once.
"""

import argparse
import asyncio
import json
import os
import socket
import sys
import threading

os.environ["FASTMCP_CHECK_FOR_UPDATES"] = "off"
os.environ["FASTMCP_SHOW_SERVER_BANNER"] = "false"

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth.providers import in_memory
from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions


def end_with_parent():
    """No peer outlives its test, which holds the other end of stdin."""

    def watch():
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def server(origin):
    auth = in_memory.InMemoryOAuthProvider(
        base_url=origin,
        required_scopes=["mcp"],
        client_registration_options=ClientRegistrationOptions(enabled=True, valid_scopes=["mcp"]),
        revocation_options=RevocationOptions(enabled=True),
    )
    mcp = FastMCP("fastmcp-peer", auth=auth)

    @mcp.tool
    def add(a: int, b: int) -> int:
        """Adds two numbers"""
        return a + b

    return mcp


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--access-ttl", type=int, default=3600)
    in_memory.DEFAULT_ACCESS_TOKEN_EXPIRY_SECONDS = parser.parse_args().access_ttl
    end_with_parent()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = server(origin).http_app()
    print(json.dumps({"url": f"{origin}/mcp"}), flush=True)
    await uvicorn.Server(uvicorn.Config(app, log_level="warning")).serve(sockets=[listener])


asyncio.run(main())
