// usage: oidc.mjs [--access-ttl SECONDS] [--refresh-ttl SECONDS] [--dpop] [--robot-key PEM]
// A certified authorization server (`oidc-provider`: dynamic registration, PKCE,
// resource indicators, revocation, every refresh token good for one use, codes for
// devices, client credentials) and, on the same loopback port, an MCP server of the
// official SDK that accepts only tokens issued for it; with --dpop only such that are
// bound to a key, and with a proof for it. Sign in with oidc-login.mjs, or by hand
// with any name. The program `robot` has the secret `s3cret`, `robot-with-key` the
// private key in that file.
import { createHash, createPublicKey, randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import { parseArgs } from "node:util";
import { requireBearerAuth } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { InvalidTokenError } from "@modelcontextprotocol/sdk/server/auth/errors.js";
import express from "express";
import { EmbeddedJWK, calculateJwkThumbprint, jwtVerify } from "jose";
import { Provider } from "oidc-provider";
import { z } from "zod";
import { endWithParent, logToStderr, onFreePort, ready } from "./launch.mjs";

const SCOPE = "mcp:tools";
const { values: options } = parseArgs({
  options: {
    "access-ttl": { type: "string", default: "3600" },
    "refresh-ttl": { type: "string", default: "86400" },
    dpop: { type: "boolean", default: false },
    "robot-key": { type: "string" },
  },
});

endWithParent();
logToStderr();

// The issuer holds the port, so the server listens before anything is set up on it.
const app = express();
onFreePort((issuer) => {
  const mcpUrl = `${issuer}/mcp`;
  const provider = authorizationServer(issuer, mcpUrl);
  resourceServer(app, provider, issuer, mcpUrl);
  // Its pages name a typeface on another host, and a browser waits for that.
  app.use((_request, response, next) => {
    response.set("Content-Security-Policy", "style-src 'unsafe-inline'");
    next();
  });
  app.use(provider.callback());
  ready({ url: mcpUrl, issuer });
});
http.createServer(app).listen();

function authorizationServer(issuer, mcpUrl) {
  return new Provider(issuer, {
    scopes: ["openid", "offline_access"],
    clients: robots(),
    cookies: { keys: [randomUUID()] },
    ttl: {
      AccessToken: Number(options["access-ttl"]),
      ClientCredentials: Number(options["access-ttl"]),
      DeviceCode: 600,
      RefreshToken: Number(options["refresh-ttl"]),
      Grant: 86_400,
      Interaction: 3600,
      Session: 86_400,
    },
    // oidc-provider gives one only for `offline_access` with `prompt=consent`, which MCP clients do not send.
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed("refresh_token"),
    rotateRefreshToken: true,
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    clientBasedCORS: () => false,
    features: {
      devInteractions: { enabled: true },
      registration: { enabled: true },
      revocation: { enabled: true },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      dPoP: { enabled: options.dpop, nonceSecret: randomBytes(32), requireNonce: () => true },
      resourceIndicators: {
        enabled: true,
        // No default: a client that names no resource gets a token this MCP server refuses.
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, resource) => {
          if (resource !== mcpUrl) throw new Error(`unknown resource ${resource}`);
          return { scope: SCOPE, audience: mcpUrl, accessTokenFormat: "opaque" };
        },
      },
    },
  });
}

/** Programs that are their own users. */
function robots() {
  const robot = { grant_types: ["client_credentials"], redirect_uris: [], response_types: [] };
  const clients = [{ ...robot, client_id: "robot", client_secret: "s3cret" }];
  if (options["robot-key"]) {
    const jwk = createPublicKey(readFileSync(options["robot-key"])).export({ format: "jwk" });
    clients.push({
      ...robot,
      client_id: "robot-with-key",
      token_endpoint_auth_method: "private_key_jwt",
      jwks: { keys: [jwk] },
    });
  }
  return clients;
}

function resourceServer(app, provider, issuer, mcpUrl) {
  const metadataUrl = `${issuer}/.well-known/oauth-protected-resource/mcp`;
  app.get("/.well-known/oauth-protected-resource/mcp", (_request, response) => {
    response.json({
      resource: mcpUrl,
      authorization_servers: [issuer],
      scopes_supported: [SCOPE],
      bearer_methods_supported: ["header"],
      dpop_bound_access_tokens_required: options.dpop,
    });
  });

  const verifier = {
    async verifyAccessToken(token) {
      const found = (await provider.AccessToken.find(token)) ?? (await provider.ClientCredentials.find(token));
      if (!found) throw new InvalidTokenError("unknown or revoked token");
      if (found.aud !== mcpUrl) throw new InvalidTokenError("the token is for another resource");
      return {
        token,
        clientId: found.clientId,
        scopes: [...found.scopes],
        expiresAt: found.exp,
        extra: { subject: found.accountId ?? found.clientId, jkt: found.jkt },
      };
    },
  };
  const bearer = requireBearerAuth({ verifier, requiredScopes: [SCOPE], resourceMetadataUrl: metadataUrl });
  const authorize = options.dpop ? [boundTo(mcpUrl, metadataUrl), bearer] : [bearer];

  const sessions = new Map();
  app.all("/mcp", ...authorize, async (request, response) => {
    if (request.auth.extra.jkt !== request.jkt) return response.status(401).end();
    const id = request.headers["mcp-session-id"];
    if (id && !sessions.has(id)) return response.status(404).end();
    const transport = id ? sessions.get(id) : await openSession(sessions);
    await transport.handleRequest(request, response);
  });
}

/**
 * Takes a token with a proof of its key (RFC 9449 §7), and hands it on as a bearer token, which is
 * all that the SDK knows.
 */
function boundTo(mcpUrl, metadataUrl) {
  return async (request, response, next) => {
    const refuse = (error) =>
      response.status(401).set("WWW-Authenticate", `DPoP error="${error}", resource_metadata="${metadataUrl}"`).end();
    const [scheme, token] = (request.headers.authorization ?? "").split(" ");
    if (scheme !== "DPoP" || !token) return refuse("invalid_token");
    try {
      const proof = await jwtVerify(request.headers.dpop, EmbeddedJWK, { typ: "dpop+jwt", maxTokenAge: 60 });
      const { htm, htu, ath } = proof.payload;
      const digest = createHash("sha256").update(token).digest("base64url");
      if (htm !== request.method || htu !== mcpUrl || ath !== digest) return refuse("invalid_dpop_proof");
      request.jkt = await calculateJwkThumbprint(proof.protectedHeader.jwk);
    } catch {
      return refuse("invalid_dpop_proof");
    }
    request.headers.authorization = `Bearer ${token}`;
    next();
  };
}

async function openSession(sessions) {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => sessions.set(id, transport),
    onsessionclosed: (id) => sessions.delete(id),
  });
  await mcpServer().connect(transport);
  return transport;
}

function mcpServer() {
  const server = new McpServer({ name: "oidc-peer", version: "1.0.0" });
  server.registerTool(
    "whoami",
    { description: "Names the account and client of the token" },
    ({ authInfo }) => text(JSON.stringify({ subject: authInfo.extra.subject, client: authInfo.clientId, scopes: authInfo.scopes })),
  );
  server.registerTool(
    "add",
    { description: "Adds two numbers", inputSchema: { a: z.number(), b: z.number() } },
    ({ a, b }) => text(String(a + b)),
  );
  return server;
}

function text(text) {
  return { content: [{ type: "text", text }] };
}
