// usage: oidc-login.mjs URL [LOGIN]
// Walks oidc.mjs's sign-in and consent pages as a browser would. From the page of
// an authorization request it prints the final redirect to the client, without
// following it; from a page that takes a device's code, "done".
const [authorizeUrl, login = "alice"] = process.argv.slice(2);
if (!authorizeUrl) {
  console.error("usage: oidc-login.mjs URL [LOGIN]");
  process.exit(2);
}
const { origin } = new URL(authorizeUrl);
const FORMS = {
  login: { prompt: "login", login, password: "any" },
  consent: { prompt: "consent" },
};
const STEPS = 10;
const cookies = new Map();

console.log(await walk(authorizeUrl));

async function walk(start) {
  let response = await ask(start);
  for (let step = 0; step < STEPS; step += 1) {
    const location = response.headers.get("location");
    const page = location ? "" : await response.text();
    if (location) {
      const next = new URL(location, origin);
      if (next.origin !== origin) return next.href;
      response = await ask(next);
    } else if (page.includes("Sign-in Success")) {
      return "done";
    } else {
      response = await submit(page, response.status);
    }
  }
  throw new Error(`no redirect to the client within ${STEPS} steps`);
}

function submit(page, status) {
  const prompt = page.match(/name="prompt" value="(\w+)"/)?.[1];
  const action = page.match(/<form[^>]* action="([^"]+)"/)?.[1];
  const fields = FORMS[prompt] ?? hidden(page);
  if (!action || Object.keys(fields).length === 0) throw new Error(`not a sign-in page (HTTP ${status}): ${page}`);
  return ask(new URL(action, origin), { method: "POST", body: new URLSearchParams(fields) });
}

/** What a form of a device's code sends by itself. */
function hidden(page) {
  const inputs = page.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)"/g);
  return Object.fromEntries(Array.from(inputs, ([, name, value]) => [name, value]));
}

async function ask(url, options = {}) {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  const response = await fetch(url, {
    ...options,
    headers: { cookie },
    redirect: "manual",
    signal: AbortSignal.timeout(10_000),
  });
  for (const line of response.headers.getSetCookie()) {
    const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
    if (value) cookies.set(name, value);
    else cookies.delete(name);
  }
  return response;
}
