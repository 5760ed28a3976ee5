// Starts a bdash of the test's own, with everything in a temporary folder.
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const password = 'correct-horse-battery';

// listen serves a page on a port of its own and gives its origin.
export async function servePage() {
  const server = createServer((_, res) => {
    res.setHeader('Content-Type', 'text/html');
    res.end('<!doctype html><title>events</title>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

async function freePort() {
  const page = await servePage();
  const port = new URL(page.origin).port;
  page.close();
  return port;
}

// start runs the program of BDASH; pages of the origin may use it.
export async function start(origin) {
  const program = process.env.BDASH;
  const folder = await mkdtemp(join(tmpdir(), 'bdash-clients-'));
  const port = await freePort();
  const env = {
    PATH: process.env.PATH, DATA_DIR: folder, ADDR: `127.0.0.1:${port}`, METRICS_ADDR: '', LOG_LEVEL: 'warn',
    THROTTLE_ANON: '', THROTTLE_USER: '', THROTTLE_LOGIN: '', FRONTEND_URL: origin,
  };
  const run = promisify(execFile);
  await run(program, ['createsuperuser', '--email', 'root@example.com', '--password', password], { env, cwd: folder });
  const child = spawn(program, ['serve'], { env, cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries++) {
    const ok = await fetch(`${url}/readyz`).then((r) => r.ok, () => false);
    if (ok) break;
    if (tries > 300) throw new Error('bdash does not start');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    url,
    async stop() {
      child.kill('SIGTERM');
      const code = await gone;
      await rm(folder, { recursive: true });
      return code;
    },
  };
}

// call sends JSON and gives the answer's.
export async function call(server, token, method, path, body, headers = {}) {
  const res = await fetch(server.url + path, {
    method,
    headers: { ...(token ? { Authorization: `Bearer ${token}` } : {}), 'Content-Type': 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await res.text();
  if (!res.ok) throw new Error(`${method} ${path} = ${res.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

export async function signIn(server) {
  const answer = await call(server, '', 'POST', '/api/auth/login/', { email: 'root@example.com', password });
  return answer.tokens.access;
}

let themes = 0;

// makeTheme causes one event, and gives the theme's id.
export async function makeTheme(server, token, client) {
  const theme = await call(server, token, 'POST', '/api/themes/', { name: `theme ${++themes}`, color_mode: 'dark' },
    client ? { 'X-Client-ID': client } : {});
  return theme.id;
}
