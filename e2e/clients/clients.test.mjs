// centrifuge's SDK under Node, and a browser's own EventSource and WebSocket.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Centrifuge } from 'centrifuge';
import { chromium } from 'playwright-core';
import WebSocket from 'ws';
import { call, makeTheme, servePage, signIn, start } from './server.mjs';

const patience = 30_000;

let page, foreign, server;
before(async () => {
  page = await servePage();
  foreign = await servePage();
  server = await start(page.origin);
});
after(async () => {
  page.close();
  foreign.close();
  assert.equal(await server.stop(), 0, 'bdash ends well while clients are connected');
});

// inbox collects values and lets a test wait for them.
function inbox() {
  const values = [];
  const waiting = [];
  return {
    put(value) {
      const next = waiting.shift();
      if (next) next(value);
      else values.push(value);
    },
    take(what) {
      if (values.length > 0) return Promise.resolve(values.shift());
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), patience);
        waiting.push((value) => {
          clearTimeout(timer);
          resolve(value);
        });
      });
    },
  };
}

describe("centrifuge's SDK", () => {
  test('hears events, gets what it missed, and ends with its session', async () => {
    const token = await signIn(server);
    const client = new Centrifuge(`${server.url.replace('http', 'ws')}/connection/websocket`, {
      websocket: WebSocket, getToken: async () => token,
    });
    const events = inbox(), states = inbox();
    client.on('connected', () => states.put('connected'));
    client.on('disconnected', (ctx) => states.put(ctx.code));
    client.on('publication', (ctx) => {
      if (ctx.data.type === 'theme:updated') events.put(ctx);
    });
    client.connect();
    assert.equal(await states.take('the connection'), 'connected');
    const first = await makeTheme(server, token, 'tab-1');
    const heard = await events.take('the first event');
    assert.deepEqual([heard.data.data.theme_id, heard.data.data.change, heard.data.origin], [first, 'created', 'tab-1']);
    assert.match(heard.channel, /^user:\d+$/);

    client.disconnect();
    assert.equal(await states.take('the end'), 0);
    const missed = [];
    for (let i = 0; i < 5; i++) missed.push(await makeTheme(server, token));
    client.connect();
    assert.equal(await states.take('the connection'), 'connected');
    const got = [];
    for (let i = 0; i < 5; i++) got.push((await events.take('a missed event')).data.data.theme_id);
    assert.deepEqual(got, missed);

    await call(server, token, 'POST', '/api/auth/logout/');
    assert.equal(await states.take('the end of the session'), 4501);
  });
});

describe('a browser', () => {
  let browser, profile, tab;
  before(async () => {
    profile = await mkdtemp(join(tmpdir(), 'bdash-browser-'));
    browser = await chromium.launchPersistentContext(profile, {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, timeout: 2 * patience,
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync'],
    });
    tab = await browser.newPage();
    tab.setDefaultTimeout(patience);
    await tab.goto(page.origin);
  });
  after(async () => {
    await browser?.close();
    await rm(profile, { recursive: true, force: true });
  });

  // heard waits until the page has kept as many frames.
  const heard = async (count) => {
    await tab.waitForFunction((n) => window.frames_.length >= n, count);
    return tab.evaluate(() => window.frames_);
  };

  const listen = async (token, since) => {
    const { ticket } = await call(server, token, 'POST', '/api/auth/ticket/');
    const address = `${server.url}/api/events/?ticket=${ticket}${since ? `&since=${since}` : ''}`;
    await tab.evaluate((url) => {
      window.frames_ = [];
      window.source = new EventSource(url);
      for (const type of ['ready', 'reset', 'theme:updated', 'session:ended']) {
        window.source.addEventListener(type, (e) => window.frames_.push({ ...JSON.parse(e.data), last: e.lastEventId, event: e.type }));
      }
    }, address);
  };

  test('EventSource hears events and takes up where it left', async () => {
    const token = await signIn(server);
    await listen(token);
    await heard(1);
    const first = await makeTheme(server, token, 'tab-2');
    const [ready, made] = await heard(2);
    assert.equal(ready.type, 'ready');
    assert.deepEqual([made.type, made.event, made.data.theme_id, made.origin], ['theme:updated', 'theme:updated', first, 'tab-2']);
    assert.equal(made.last, made.id);

    await tab.evaluate(() => window.source.close());
    const missed = [await makeTheme(server, token), await makeTheme(server, token)];
    await listen(token, made.id);
    const frames = await heard(3);
    assert.equal(frames[0].data.resumed, true);
    assert.deepEqual(frames.slice(1).map((f) => f.data.theme_id), missed);

    await call(server, token, 'POST', '/api/auth/logout/');
    const last = (await heard(4)).at(-1);
    assert.equal(last.type, 'session:ended');
    // It tries to come back, is refused, and gives up.
    await tab.waitForFunction(() => window.source.readyState === EventSource.CLOSED);
  });

  const open = (token, since) => tab.evaluate(([url, first]) => {
    window.frames_ = [];
    window.closeCode = undefined;
    const socket = new WebSocket(url);
    window.socket = socket;
    socket.onopen = () => socket.send(JSON.stringify(first));
    // What the socket before this one still hears does not count, nor who comes and goes.
    socket.onmessage = (e) => {
      const frame = JSON.parse(e.data);
      if (window.socket === socket && frame.type !== 'user:online') window.frames_.push(frame);
    };
    socket.onclose = (e) => {
      if (window.socket === socket) window.closeCode = e.code;
    };
  }, [`${server.url.replace('http', 'ws')}/ws/`, { type: 'auth', token, since }]);

  test('WebSocket signs in by its first message', async () => {
    const token = await signIn(server);
    await open(token);
    await heard(1);
    const id = await makeTheme(server, token);
    const [ready, made] = await heard(2);
    assert.equal(ready.type, 'ready');
    assert.equal(made.data.theme_id, id);

    await tab.evaluate(() => window.socket.close());
    const missed = await makeTheme(server, token);
    await open(token, made.id);
    assert.deepEqual((await heard(2)).map((f) => f.data.theme_id), [undefined, missed]);

    await call(server, token, 'POST', '/api/auth/logout/');
    await tab.waitForFunction(() => window.closeCode !== undefined);
    assert.equal(await tab.evaluate(() => window.closeCode), 4501);
    assert.equal((await heard(3)).at(-1).type, 'session:ended');

    await open('rubbish');
    await tab.waitForFunction(() => window.closeCode !== undefined);
    assert.equal(await tab.evaluate(() => window.closeCode), 4401);
  });

  test('a page of another site gets no socket and reads no stream', async () => {
    const token = await signIn(server);
    const { ticket } = await call(server, token, 'POST', '/api/auth/ticket/');
    const other = await browser.newPage();
    await other.goto(foreign.origin);
    const outcome = await other.evaluate(([url, sse, first]) => new Promise((resolve) => {
      const seen = [];
      const note = (what) => {
        seen.push(what);
        if (seen.length === 2) resolve(seen.sort());
      };
      const socket = new WebSocket(url);
      socket.onopen = () => socket.send(JSON.stringify(first));
      socket.onmessage = () => note('heard');
      socket.onclose = (e) => note(`closed ${e.code}`);
      const source = new EventSource(sse);
      source.addEventListener('ready', () => note('heard'));
      source.onerror = () => note(`error ${source.readyState}`);
    }), [`${server.url.replace('http', 'ws')}/ws/`, `${server.url}/api/events/?ticket=${ticket}`, { type: 'auth', token }]);
    assert.deepEqual(outcome, ['closed 1006', 'error 2']);
    await other.close();
  });
});
