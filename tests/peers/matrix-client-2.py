"""usage: matrix-client-2.py legacy|modern COMMAND [ARG…]

The Python SDK 2.x as a stdio client of the demo server behind COMMAND: uses each feature and
prints one JSON line, {"version": …, "features": {NAME: null or what went wrong}}.
"""

import asyncio
import json
import os
import sys

import anyio
import mcp_types as types
from mcp import Client, StdioServerParameters

WELCOME = "demo://welcome"
MODES = {"legacy": "legacy", "modern": "2026-07-28"}
LOG_LEVEL = "io.modelcontextprotocol/logLevel"


class Ears:
    """What the client heard."""

    def __init__(self):
        self.heard = []
        self.more = asyncio.Event()

    async def hear(self, message):
        self.heard.append(message)
        self.more.set()

    async def notification(self, kind):
        while True:
            for at, known in enumerate(self.heard):
                if isinstance(known, kind):
                    return self.heard.pop(at)
            self.more.clear()
            await self.more.wait()


async def sample(context, params):
    content = types.TextContent(type="text", text="creak")
    return types.CreateMessageResult(role="assistant", model="canned", content=content)


async def elicit(context, params):
    if params.mode == "url":
        return types.ElicitResult(action="accept")
    return types.ElicitResult(action="accept", content={"colour": "green"})


async def list_roots(context):
    return types.ListRootsResult(roots=[types.Root(uri="file:///here")])


class Features:
    """One method for each feature."""

    def __init__(self, client, ears, is_modern):
        self.client, self.ears, self.is_modern = client, ears, is_modern

    async def call(self, name, arguments=None, **more):
        result = await self.client.call_tool(name, arguments or {}, **more)
        return result.content[0].text

    async def read(self, uri):
        return (await self.client.read_resource(uri)).contents[0].text

    async def tools(self):
        assert "echo_message" in [tool.name for tool in (await self.client.list_tools()).tools]
        assert await self.call("echo_message", {"message": "hello"}) == "hello"

    async def prompts(self):
        assert "explain" in [prompt.name for prompt in (await self.client.list_prompts()).prompts]
        prompt = await self.client.get_prompt("explain", {"text": "moats"})
        assert "moats" in prompt.messages[0].content.text

    async def resources(self):
        assert WELCOME in [str(known.uri) for known in (await self.client.list_resources()).resources]
        assert "Welcome" in await self.read(WELCOME)

    async def templates(self):
        known = (await self.client.list_resource_templates()).resource_templates
        assert "demo://note/{name}" in [template.uri_template for template in known]
        assert await self.read("demo://note/moats") == "A note on moats"

    async def subscriptions(self):
        if self.is_modern:
            async with self.client.listen(resource_subscriptions=[WELCOME]) as changes:
                await self.call("change", {"what": WELCOME})
                assert (await anext(aiter(changes))).uri == WELCOME
            return
        await self.client.subscribe_resource(WELCOME)
        await self.call("streams")
        await self.call("change", {"what": WELCOME})
        updated = await self.ears.notification(types.ResourceUpdatedNotification)
        assert str(updated.params.uri) == WELCOME

    async def progress(self):
        steps = []

        async def on_progress(progress, total, message):
            steps.append(progress)

        assert await self.call("progress", {"steps": 3}, progress_callback=on_progress) == "3 steps done"
        assert steps == [1, 2, 3], steps

    async def cancellation(self):
        async with anyio.create_task_group() as calls:
            calls.start_soon(self.call, "slow", {"until_released": True})
            await self.call("slow_calls", {"count": 1})
            calls.cancel_scope.cancel()
        await self.call("slow_calls", {"count": 0})

    async def logging(self):
        if self.is_modern:
            await self.call("log", meta={LOG_LEVEL: "warning"})
        else:
            await self.client.set_logging_level("warning")
            await self.call("log")
        for level in ["warning", "error"]:
            message = await self.ears.notification(types.LoggingMessageNotification)
            assert message.params.level == level, message

    async def form(self):
        assert await self.call("elicit") == "You like green."

    async def url(self):
        assert await self.call("elicit_url") == "You went to look."

    async def sampling(self):
        assert await self.call("sample") == "Your model wrote: creak"

    async def roots(self):
        assert await self.call("roots") == "Your roots: file:///here"

    async def completion(self):
        prompt = types.PromptReference(type="ref/prompt", name="explain")
        found = await self.client.complete(prompt, {"name": "text", "value": "b"})
        assert found.completion.values == ["bridge", "bascule"], found

    async def list_changes(self):
        if self.is_modern:
            every = ["tools_list_changed", "prompts_list_changed", "resources_list_changed"]
            async with self.client.listen(**dict.fromkeys(every, True)) as changes:
                for what in ["tools", "prompts", "resources"]:
                    await self.call("change", {"what": what})
                    assert type(await anext(aiter(changes))).__name__.lower() == f"{what}listchanged"
            return
        await self.call("streams")
        kinds = {
            "tools": types.ToolListChangedNotification,
            "prompts": types.PromptListChangedNotification,
            "resources": types.ResourceListChangedNotification,
        }
        for what, kind in kinds.items():
            await self.call("change", {"what": what})
            await self.ears.notification(kind)


NAMES = ["tools", "prompts", "resources", "templates", "subscriptions", "progress", "cancellation"]
NAMES += ["logging", "form", "url", "sampling", "roots", "completion", "list changes"]


async def main():
    server = StdioServerParameters(command=sys.argv[2], args=sys.argv[3:], env=dict(os.environ))
    ears = Ears()
    callbacks = {
        "sampling_callback": sample,
        "elicitation_callback": elicit,
        "list_roots_callback": list_roots,
        "message_handler": ears.hear,
    }
    async with Client(server, mode=MODES[sys.argv[1]], **callbacks) as client:
        features, outcome = Features(client, ears, sys.argv[1] == "modern"), {}
        for name in NAMES:
            try:
                with anyio.fail_after(30):
                    await getattr(features, name.replace(" ", "_"))()
                outcome[name] = None
            except Exception as error:
                outcome[name] = f"{type(error).__name__}: {error}"
        print(json.dumps({"version": client.protocol_version, "features": outcome}), flush=True)


asyncio.run(main())
