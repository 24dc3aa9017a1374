"""usage: matrix-server-2.py

The Python SDK 2.x as an HTTP server of both eras that offers what the demo server offers.
"""

import asyncio
import warnings

import mcp_types as types
from mcp import MCPDeprecationWarning, MCPError
from mcp.server import subscriptions
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.shared.message import ServerMessageMetadata

from matrix_server import COLOUR, HAIKU, LEVELS, LOOK, NOTE, WELCOME, World, hears, serve

MODERN = "2026-07-28"
CHANGES = {
    "tools": subscriptions.ToolsListChanged(),
    "prompts": subscriptions.PromptsListChanged(),
    "resources": subscriptions.ResourcesListChanged(),
}
# What goes with 2026-07-28 is shown as long as it is in use.
warnings.simplefilter("ignore", MCPDeprecationWarning)


class TellsOfChanges(Server):
    """A server that promises to tell legacy clients of every change of its lists."""

    def create_initialization_options(self, *_):
        return super().create_initialization_options(NotificationOptions(True, True, True))


class Bus(subscriptions.InMemorySubscriptionBus):
    """Notes that a client listens."""

    def __init__(self, world):
        super().__init__()
        self.world = world

    def subscribe(self, listener):
        unsubscribe = super().subscribe(listener)
        self.world.hear()
        return unsubscribe


class Caller:
    """The client whose request is being answered."""

    def __init__(self, world, bus, context):
        self.world, self.bus, self.session = world, bus, context.session
        self.related = {"related_request_id": context.request_id}
        self.is_modern = context.protocol_version >= MODERN

    async def tell(self, what):
        if self.is_modern:
            return await self.bus.publish(CHANGES.get(what) or subscriptions.ResourceUpdated(what))
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
        await self.session.report_progress(step, steps)

    async def log(self, level, words):
        wanted = self.world.level
        if self.is_modern or wanted and LEVELS.index(level) >= LEVELS.index(wanted):
            await self.session.send_log_message(level, words, **self.related)

    async def ask(self, tool, params):
        """What a tool says that asks its caller something, or its question."""
        question = self.question(tool)
        self.needs(tool)
        answer = (params.input_responses or {}).get("answer")
        if answer is None and self.is_modern:
            return types.InputRequiredResult(input_requests={"answer": question})
        return self.finish(tool, answer or await self.ask_now(question))

    async def ask_now(self, question):
        match question:
            case types.ElicitRequest():
                result = types.ElicitResult
            case types.CreateMessageRequest():
                result = types.CreateMessageResult
            case types.ListRootsRequest():
                # This SDK cannot say which request makes it ask for roots.
                return await self.session.list_roots()
        related = ServerMessageMetadata(**self.related)
        return await self.session.send_request(question, result, metadata=related)

    def question(self, tool):
        match tool:
            case "elicit":
                asked = {"message": "What is your favourite colour?", "requested_schema": COLOUR}
                return types.ElicitRequest(params=types.ElicitRequestFormParams(**asked))
            case "elicit_url":
                known = {} if self.is_modern else {"elicitation_id": "look-1"}
                return types.ElicitRequest(params=types.ElicitRequestURLParams(**LOOK, **known))
            case "sample":
                said = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=HAIKU))
                params = types.CreateMessageRequestParams(messages=[said], max_tokens=100)
                return types.CreateMessageRequest(params=params)
            case "roots":
                return types.ListRootsRequest()

    def finish(self, tool, answer):
        match tool:
            case "elicit":
                return f"You like {answer.content['colour']}."
            case "elicit_url":
                return "You went to look." if answer.action == "accept" else answer.action
            case "sample":
                return f"Your model wrote: {answer.content.text}"
            case "roots":
                return f"Your roots: {', '.join(str(root.uri) for root in answer.roots)}"

    def needs(self, tool):
        url = types.UrlElicitationCapability() if tool == "elicit_url" else None
        needed = types.ClientCapabilities(elicitation=types.ElicitationCapability(url=url))
        if tool.startswith("elicit") and not self.session.check_client_capability(needed):
            raise MCPError(types.INVALID_PARAMS, "Your client cannot be asked.")


def server(world, bus):
    async def list_tools(context, params):
        return types.ListToolsResult(
            tools=[types.Tool(name=name, input_schema=world.schema(name)) for name in world.tools]
        )

    async def call_tool(context, params):
        caller = Caller(world, bus, context)
        said = await world.call(params.name, params.arguments or {}, caller) or await caller.ask(params.name, params)
        if isinstance(said, types.InputRequiredResult):
            return said
        return types.CallToolResult(content=[types.TextContent(type="text", text=said)])

    async def list_prompts(context, params):
        text = types.PromptArgument(name="text", required=True)
        return types.ListPromptsResult(prompts=[types.Prompt(name="explain", arguments=[text])])

    async def get_prompt(context, params):
        said = types.TextContent(type="text", text=f"Explain in two sentences: {params.arguments['text']}")
        return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=said)])

    async def list_resources(context, params):
        known = {"welcome": WELCOME, "stats": "demo://stats"}
        return types.ListResourcesResult(
            resources=[types.Resource(uri=uri, name=name) for name, uri in known.items()]
        )

    async def list_templates(context, params):
        note = types.ResourceTemplate(uri_template=NOTE + "{name}", name="note")
        return types.ListResourceTemplatesResult(resource_templates=[note])

    async def read_resource(context, params):
        text = world.text_at(params.uri)
        if text is None:
            raise MCPError(types.INVALID_PARAMS, "no such resource", {"uri": params.uri})
        return types.ReadResourceResult(contents=[types.TextResourceContents(uri=params.uri, text=text)])

    async def subscribe(context, params):
        world.uris.add(params.uri)
        return types.EmptyResult()

    async def unsubscribe(context, params):
        world.uris.discard(params.uri)
        return types.EmptyResult()

    async def set_level(context, params):
        world.level = params.level
        return types.EmptyResult()

    async def complete(context, params):
        return types.CompleteResult(completion=types.Completion(values=world.words(params.argument.value)))

    return TellsOfChanges(
        "python-2-server",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
        on_subscribe_resource=subscribe,
        on_unsubscribe_resource=unsubscribe,
        on_subscriptions_listen=subscriptions.ListenHandler(bus),
        on_set_logging_level=set_level,
        on_completion=complete,
    )


async def main():
    world = World()
    await serve(hears(server(world, Bus(world)).streamable_http_app(), world))


asyncio.run(main())
