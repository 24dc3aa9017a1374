"""usage: matrix-server-1.py [sse]

The Python SDK 1.x as an HTTP server that offers what the demo server offers, up to 2025-11-25; with `sse` over the
transport of 2024-11-05.
"""

import asyncio
import sys

from mcp import McpError, types
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from matrix_server import COLOUR, HAIKU, LEVELS, LOOK, NOTE, WELCOME, World, hears, serve


class TellsOfChanges(Server):
    """A server that promises to tell of every change, which this SDK does not by itself."""

    def get_capabilities(self, *_):
        capabilities = super().get_capabilities(NotificationOptions(True, True, True), {})
        capabilities.resources.subscribe = True
        return capabilities


class Caller:
    """The client whose request is being answered."""

    def __init__(self, world, context):
        self.world, self.session = world, context.session
        self.related = {"related_request_id": context.request_id}
        self.elicitation = context.session.client_params.capabilities.elicitation
        self.token = context.meta.progressToken if context.meta else None

    async def tell(self, what):
        lists = {
            "tools": self.session.send_tool_list_changed,
            "prompts": self.session.send_prompt_list_changed,
            "resources": self.session.send_resource_list_changed,
        }
        if what in lists:
            await lists[what]()
        if what in self.world.uris:
            await self.session.send_resource_updated(what)

    async def progress(self, step, steps):
        await self.session.send_progress_notification(self.token, step, steps, **self.related)

    async def log(self, level, words):
        wanted = self.world.level
        if wanted and LEVELS.index(level) >= LEVELS.index(wanted):
            await self.session.send_log_message(level, words, **self.related)

    async def ask(self, tool):
        """What a tool says that asks its caller something."""
        match tool:
            case "elicit":
                self.needs(self.elicitation)
                answer = await self.session.elicit_form("What is your favourite colour?", COLOUR, **self.related)
                return f"You like {answer.content['colour']}."
            case "elicit_url":
                self.needs(self.elicitation and self.elicitation.url)
                answer = await self.session.elicit_url(**LOOK, elicitation_id="look-1", **self.related)
                return "You went to look." if answer.action == "accept" else answer.action
            case "sample":
                asked = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=HAIKU))
                answer = await self.session.create_message([asked], max_tokens=100, **self.related)
                return f"Your model wrote: {answer.content.text}"
            case "roots":
                # This SDK cannot say which request makes it ask for roots.
                answer = await self.session.list_roots()
                return f"Your roots: {', '.join(str(root.uri) for root in answer.roots)}"

    def needs(self, capability):
        if capability is None:
            raise ValueError("Your client cannot be asked.")


def server(world):
    server = TellsOfChanges("python-1-server")

    @server.list_tools()
    async def list_tools():
        return [types.Tool(name=name, inputSchema=world.schema(name)) for name in world.tools]

    @server.call_tool()
    async def call_tool(name, arguments):
        caller = Caller(world, server.request_context)
        said = await world.call(name, arguments, caller) or await caller.ask(name)
        return [types.TextContent(type="text", text=said)]

    @server.list_prompts()
    async def list_prompts():
        return [types.Prompt(name="explain", arguments=[types.PromptArgument(name="text", required=True)])]

    @server.get_prompt()
    async def get_prompt(name, arguments):
        said = types.TextContent(type="text", text=f"Explain in two sentences: {arguments['text']}")
        return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=said)])

    @server.list_resources()
    async def list_resources():
        return [types.Resource(uri=WELCOME, name="welcome"), types.Resource(uri="demo://stats", name="stats")]

    @server.list_resource_templates()
    async def list_resource_templates():
        return [types.ResourceTemplate(uriTemplate=NOTE + "{name}", name="note")]

    @server.read_resource()
    async def read_resource(uri):
        text = world.text_at(str(uri))
        if text is None:
            raise McpError(types.ErrorData(code=-32002, message="no such resource", data={"uri": str(uri)}))
        return [ReadResourceContents(text, "text/plain")]

    @server.subscribe_resource()
    async def subscribe(uri):
        world.uris.add(str(uri))

    @server.unsubscribe_resource()
    async def unsubscribe(uri):
        world.uris.discard(str(uri))

    @server.set_logging_level()
    async def set_level(level):
        world.level = level

    @server.completion()
    async def complete(reference, argument, context):
        return types.Completion(values=world.words(argument.value))

    return server


async def streamable_http(world):
    manager = StreamableHTTPSessionManager(server(world))

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await manager.handle_request(scope, receive, send)

    async with manager.run():
        await serve(hears(app, world))


async def http_sse(world):
    transport = SseServerTransport("/messages/")

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        if scope["method"] == "GET":
            one = server(world)
            async with transport.connect_sse(scope, receive, send) as (incoming, outgoing):
                await one.run(incoming, outgoing, one.create_initialization_options())
        elif scope["path"].startswith("/messages/"):
            await transport.handle_post_message(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 405, "headers": [(b"allow", b"GET")]})
            await send({"type": "http.response.body"})

    await serve(hears(app, world), "/sse")


serves = http_sse if sys.argv[1:] == ["sse"] else streamable_http
asyncio.run(serves(World()))
