// Drives one of other people's WAMP clients from a test: one JSON command a line on standard input, one JSON answer a line
// on standard output. The same commands for every client, so that a test need not know which it talks to.
//
//   NODE_TLS_REJECT_UNAUTHORIZED=0 node driver.mjs LIBRARY URL [OPTIONS as JSON: realm, serializer, ticket, authid, origin]
//
// With the option "method" autobahn and wampy do wampcra ("secret") or cryptosign ("key"); "authmethods" are then offered
// instead of that method alone.
//
// Commands: {id, do: "subscribe"|"unsubscribe"|"publish"|"call"|"cancel"|"register"|"unregister"|"release"|"close",
//           uri, args, kwargs, options}; "cancel" has options {call: the id of that command, mode}
// Answers:  {id, ok: value} or {id, error: uri, message}; events: {event: uri, args, kwargs}; results on the way:
//           {progress: id, args, kwargs}; what happens to a procedure that waits: {sign: "invoked"|"interrupted", uri}
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import WebSocket from 'ws';

const require = createRequire(import.meta.url);
const [library, url, optionsText] = process.argv.slice(2);
const options = JSON.parse(optionsText || '{}');

const say = (value) => process.stdout.write(JSON.stringify(value, (_, v) =>
  v instanceof Uint8Array ? { binary: Buffer.from(v).toString('hex') }
    : v && v.type === 'Buffer' ? { binary: Buffer.from(v.data).toString('hex') }
    : typeof v === 'bigint' ? Number(v) : v) + '\n');
// {binary: hex} stands for bytes, {js: code} for what it evaluates to.
const revive = (value) => value === null || typeof value !== 'object' ? value
  : Array.isArray(value) ? value.map(revive)
    : typeof value.js === 'string' ? (0, eval)(value.js)
    : typeof value.binary === 'string' ? Buffer.from(value.binary, 'hex')
      : Object.fromEntries(Object.entries(value).map(([k, v]) => [k, revive(v)]));

// As in a browser: what a library throws at a message that it cannot write or read costs that message, and not the page.
process.on('uncaughtException', () => {});
process.on('unhandledRejection', () => {});

const waiting = [];
/** Ends the calls that wait: they are answered after all. */
const release = async () => { for (const finish of waiting.splice(0)) finish({ args: ['late'], kwargs: {} }); };

/** What a procedure of the tests does: gives back what it got, fails as it is told, tells `steps` results on the way, or
 * waits until it is released or `interrupted` (a promise, where the client has such a thing). */
function procedure(uri, args, kwargs, progress, interrupted) {
  if (kwargs && kwargs.fail) return { error: kwargs.fail, args: args || [] };
  if (kwargs && kwargs.steps) {
    if (progress) for (let n = 0; n < kwargs.steps; n++) progress([n]);
    return { args: [kwargs.steps], kwargs: {} };
  }
  if (kwargs && kwargs.wait) {
    say({ sign: 'invoked', uri });
    return new Promise((finish) => {
      waiting.push(finish);
      if (interrupted) interrupted.then(() => { say({ sign: 'interrupted', uri }); finish({ error: 'wamp.error.canceled', args: [] }); }, () => {});
    });
  }
  return { args: args || [], kwargs: kwargs || {} };
}

const offered = () => options.authmethods || (options.method ? [options.method] : options.ticket ? ['ticket'] : ['anonymous']);
const keyPair = () => require('tweetnacl').sign.keyPair.fromSeed(Buffer.from(options.key, 'hex'));
const publicKey = () => Buffer.from(keyPair().publicKey).toString('hex');

/** What of a browser's XMLHttpRequest autobahn uses for long-poll. */
class Request {
  open(method, url) { Object.assign(this, { method, url, headers: {} }); }

  setRequestHeader(name, value) { this.headers[name] = value; }

  async send(body) {
    try {
      const answer = await fetch(this.url, { method: this.method, headers: this.headers, body });
      Object.assign(this, { status: answer.status, statusText: answer.statusText, responseText: await answer.text() });
    } catch (error) {
      Object.assign(this, { status: 0, statusText: String(error) });
    }
    this.readyState = 4;
    this.onreadystatechange();
  }
}

/** Which transport a URL asks for: http means long-poll, rs RawSocket. */
function transports() {
  if (url.startsWith('http')) return { transports: [{ type: 'longpoll', url }] };
  if (!url.startsWith('rs')) return { url };
  const [host, port] = url.replace('rs://', '').split(':');
  return { transports: [{ type: 'rawsocket', host, port: Number(port) }] };
}

async function autobahn() {
  const ab = require('autobahn');
  if (url.startsWith('http')) globalThis.XMLHttpRequest = Request;
  const serializers = { json: ab.serializer.JSONSerializer, msgpack: ab.serializer.MsgpackSerializer, cbor: ab.serializer.CBORSerializer };
  const connection = new ab.Connection({
    ...transports(), realm: options.realm, max_retries: 0, tlsConfiguration: { rejectUnauthorized: false },
    serializers: [new serializers[options.serializer || 'json']()],
    // Its own promises cannot tell of results on the way.
    use_deferred: () => {
      const made = {};
      made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
      made.notify = (value) => made.promise.progress(value);
      return made;
    },
    authmethods: offered(), authid: options.authid,
    authextra: options.key ? { pubkey: publicKey(), trustroot: null, challenge: null, channel_binding: null } : undefined,
    onchallenge: (_, method, extra) => {
      if (method === 'ticket') return options.ticket;
      if (method === 'cryptosign') return ab.auth_cryptosign.sign_challenge(keyPair(), extra);
      const { salt, iterations, keylen } = extra;
      return ab.auth_cra.sign(salt ? ab.auth_cra.derive_key(options.secret, salt, iterations, keylen) : options.secret, extra.challenge);
    },
  });
  const session = await new Promise((resolve, reject) => {
    connection.onopen = resolve;
    connection.onclose = (reason, details) => { reject({ error: details.reason || reason, args: [details.message] }); return true; };
    connection.open();
  });
  const subscriptions = {}, registrations = {}, calls = {};
  const payload = (result) => result instanceof ab.Result ? { args: result.args, kwargs: result.kwargs } : { args: result === null ? [] : [result], kwargs: {} };
  return {
    session: session.id,
    subscribe: async (uri, o) => {
      const handler = (args, kwargs, details) => say({ event: details.topic || uri, args, kwargs });
      subscriptions[uri] = await session.subscribe(uri, handler, o);
    },
    unsubscribe: (uri) => session.unsubscribe(subscriptions[uri]),
    publish: async (uri, args, kwargs, o) => { const done = await session.publish(uri, args, kwargs, o); return done ? 'published' : null; },
    call: async (uri, args, kwargs, o, id) => {
      const call = session.call(uri, args, kwargs, o);
      calls[id] = call;
      call.progress = (result) => say({ progress: id, ...payload(result) });
      return payload(await call);
    },
    cancel: async ({ call, mode }) => calls[call].cancel(mode ? { mode } : undefined),
    register: async (uri, o) => {
      registrations[uri] = await session.register(uri, async (args, kwargs, details) => {
        const made = await procedure(uri, args, kwargs, details.progress);
        if (made.error) throw new ab.Error(made.error, made.args);
        return new ab.Result(made.args, made.kwargs);
      }, o);
    },
    unregister: (uri) => session.unregister(registrations[uri]),
    close: () => connection.close(),
  };
}

async function wampy() {
  const { Wampy } = await import('wampy');
  const names = { json: 'JsonSerializer', msgpack: 'MsgpackSerializer', cbor: 'CborSerializer' };
  const name = names[options.serializer || 'json'];
  const Serializer = (await import(`wampy/${name}.js`))[name];
  const plugins = {
    wampcra: async () => (await import('wampy/wampcra.js')).sign(options.secret),
    cryptosign: async () => (await import('wampy/cryptosign.js')).sign(options.key),
  };
  const client = new Wampy(url, {
    realm: options.realm, ws: WebSocket, serializer: new Serializer(), autoReconnect: false, uriValidation: 'loose',
    wsRequestOptions: { rejectUnauthorized: false },
    ...(options.method ? {
      authid: options.authid, authmethods: offered(), authMode: 'auto', authextra: options.key ? { pubkey: publicKey() } : {},
      authPlugins: { [options.method]: await plugins[options.method]() },
    } : {}),
    ...(options.ticket ? { authid: options.authid, authmethods: ['ticket'], onChallenge: () => options.ticket } : {}),
  });
  const welcome = await client.connect();
  const subscriptions = {}, calls = {};
  const payload = (args, kwargs) => kwargs && Object.keys(kwargs).length ? { argsList: args || [], argsDict: kwargs } : args;
  return {
    session: welcome.session ?? client.getSessionId(),
    subscribe: async (uri, o) => {
      subscriptions[uri] = await client.subscribe(uri, (event) => {
        const details = event.details || {};
        say({ event: details.topic || uri, args: event.argsList, kwargs: event.argsDict });
      }, o);
    },
    unsubscribe: (uri) => client.unsubscribe(subscriptions[uri].subscriptionKey ?? subscriptions[uri].subscriptionId),
    publish: async (uri, args, kwargs, o) => { const done = await client.publish(uri, payload(args, kwargs), o); return done ? 'published' : null; },
    call: async (uri, args, kwargs, o, id) => {
      const { receive_progress: wanted, ...rest } = o || {};
      const told = (result) => ({ args: result.argsList || [], kwargs: result.argsDict || {} });
      const onProgress = (result) => say({ progress: id, ...told(result) });
      const call = client.call(uri, payload(args, kwargs), wanted ? { ...rest, progress_callback: onProgress } : rest);
      calls[id] = client.getOpStatus().reqId;
      return told(await call);
    },
    cancel: async ({ call, mode }) => client.cancel(calls[call], mode ? { mode } : undefined),
    register: (uri, o) => client.register(uri, async (invocation) => {
      const progress = invocation.details.receive_progress
        && ((args) => invocation.result_handler({ options: { progress: true }, argsList: args }));
      const made = await procedure(uri, invocation.argsList, invocation.argsDict, progress);
      if (made.error) throw { error: made.error, details: {}, argsList: made.args, argsDict: {} };
      return { argsList: made.args, argsDict: made.kwargs };
    }, o).then(() => undefined),
    unregister: (uri) => client.unregister(uri).then(() => undefined),
    close: () => client.disconnect(),
  };
}

async function kraftfahrstrasse() {
  const kf = require('@verkehrsministerium/kraftfahrstrasse');
  const serializers = { json: kf.JSONSerializer, msgpack: kf.NodeMSGPackSerializer };
  const connection = new kf.Connection({
    endpoint: url, realm: options.realm, serializer: new serializers[options.serializer || 'json'](),
    logFunction: () => {}, transport: kf.NodeWebSocketTransport, transportOptions: { rejectUnauthorized: false },
    authProvider: options.ticket ? new kf.TicketAuthProvider(options.authid, async () => ({ signature: options.ticket }))
      : new kf.AnonymousAuthProvider(),
  });
  await connection.Open().catch((error) => { throw { error: error.message }; });
  const subscriptions = {}, registrations = {}, calls = {};
  return {
    session: connection.sessionId,
    subscribe: async (uri, o) => {
      const handler = (args, kwargs, details) => say({ event: details.topic || uri, args, kwargs });
      subscriptions[uri] = await connection.Subscribe(uri, handler, o);
    },
    unsubscribe: (uri) => subscriptions[uri].Unsubscribe(),
    publish: async (uri, args, kwargs, o) => (await (await connection.Publish(uri, args, kwargs, o)).OnPublished()) ? 'published' : null,
    call: async (uri, args, kwargs, o, id) => {
      const [call, request] = connection.Call(uri, args, kwargs, o);
      calls[id] = request;
      let result = await call;
      for (; result.nextResult; result = await result.nextResult) say({ progress: id, args: result.args, kwargs: result.kwArgs });
      return { args: result.args, kwargs: result.kwArgs };
    },
    cancel: async ({ call, mode }) => connection.CancelCall(calls[call], mode),
    register: async (uri, o) => {
      registrations[uri] = await connection.Register(uri, async (args, kwargs, details) => {
        const steps = [];
        const made = await procedure(uri, args, kwargs, (step) => steps.push(step), details.onCancel);
        if (made.error) throw new kf.WampError(made.error, made.args);
        return steps.reduceRight((next, step) => ({ args: step, kwArgs: {}, nextResult: Promise.resolve(next) }),
          { args: made.args, kwArgs: made.kwargs });
      }, o);
    },
    unregister: (uri) => registrations[uri].Unregister(),
    close: () => connection.Close(),
  };
}

async function wamp1() {
  const Wamp = require('wamp1');
  const socket = new WebSocket(url, ['wamp'], { rejectUnauthorized: false, origin: options.origin || 'http://127.0.0.1' });
  // Listening before the socket is open: WELCOME comes in one piece with the end of the handshake.
  const client = await new Promise((resolve, reject) => {
    socket.once('error', (error) => reject({ error: 'handshake', args: [error.message] }));
    const made = new Wamp(socket, () => resolve(made));
  });
  client.on('error', (error) => say({ problem: error.message }));
  const handlers = {};
  return {
    session: client.sessionId,
    subscribe: async (uri) => { handlers[uri] = (event) => say({ event: uri, args: [event], kwargs: {} }); client.subscribe(uri, handlers[uri]); },
    unsubscribe: async (uri) => client.unsubscribe(uri, handlers[uri]),
    publish: async (uri, args, _, o) => client.publish(uri, args[0], ...(o && 'exclude' in o ? [o.exclude, o.eligible || []] : [])),
    call: (uri, args) => new Promise((resolve, reject) => client.call(uri, ...args, (error, result) =>
      error ? reject({ error: error.uri, args: [error.message] }) : resolve({ args: [result], kwargs: {} }))),
    prefix: async (prefix, uri) => client.prefix(prefix, uri),
    close: () => socket.close(),
  };
}

const describe = (error) => typeof error === 'string' ? { error, message: '' } : ({ error: error.error || error.errorUri || error.uri || error.name || 'unknown',
  message: String((error.args && error.args[0]) || error.message || (error.argsList && error.argsList[0]) || '') });

let client;
try {
  client = { release, ...await { autobahn, wampy, kraftfahrstrasse, wamp1 }[library]() };
  say({ ready: client.session });
} catch (error) {
  say(describe(error));
  process.exit(1);
}
for await (const line of createInterface({ input: process.stdin })) {
  const { id, do: action, uri, args, kwargs, options: o } = JSON.parse(line);
  const parameters = {
    subscribe: [uri, o], register: [uri, o], unsubscribe: [uri], unregister: [uri], prefix: args,
    publish: [uri, revive(args), revive(kwargs), o], call: [uri, revive(args), revive(kwargs), o, id],
    cancel: [o], release: [], close: [],
  }[action];
  // Not awaited: a call may wait for a registration made by the next line.
  Promise.resolve().then(() => client[action](...parameters)).then(
    (value) => say({ id, ok: value ?? null }),
    (error) => say({ id, ...describe(error) }),
  ).finally(() => { if (action === 'close') setTimeout(() => process.exit(0), 200); });
}
