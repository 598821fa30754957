/// <reference lib="dom" />
/** What packages/runtime/README.md tells to do, done: as in a folder where the packages are installed. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { executablePath } from './chromium.js';
import { classNames, exportedPictures, pictureNetwork, writeExported } from './exportedNetworks.js';
import { serveFolder } from './staticServer.js';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const readme = readFileSync(join(repository, 'packages/runtime/README.md'), 'utf8');

/** The blocks of code of a section. */
function blocks(section: string, language: string): string[] {
  const text = readme.split(/^## /m).find((each) => each.startsWith(section))!;
  return Array.from(text.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs')), ([, code]) => code!);
}

describe('the README of the runtime', () => {
  const folder = mkdtempSync(join(tmpdir(), 'padnet-readme-'));
  const cat = join(folder, 'cat.jpg');

  beforeAll(async () => {
    writeExported(join(folder, 'exported'), exportedPictures(pictureNetwork(1)));
    symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
    await sharp({ create: { width: 60, height: 40, channels: 3, background: '#963' } })
      .jpeg()
      .toFile(cat);
  });

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it('has a server that answers', async () => {
    const [code] = blocks('In a Node server', 'js');
    const listening = code!.replace(
      "listen(8080, '127.0.0.1')",
      "listen(0, '127.0.0.1', function () { console.log(this.address().port); })",
    );
    expect(listening).not.toBe(code);
    writeFileSync(join(folder, 'server.mjs'), listening);
    const child = spawn(process.execPath, ['server.mjs'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [port] = (await once(child.stdout, 'data')) as [Buffer];
      const ask = async (body: Uint8Array<ArrayBuffer>): Promise<unknown> =>
        await (await fetch(`http://127.0.0.1:${port.toString().trim()}`, { method: 'POST', body })).json();
      const answer = (await ask(new Uint8Array(readFileSync(cat)))) as { classes: { label: string }[] };
      expect(answer.classes.map(({ label }) => label).sort()).toEqual(classNames);
      expect(await ask(new TextEncoder().encode('no picture'))).toMatchObject({
        error: expect.stringContaining('not a picture') as string,
      });
    } finally {
      child.kill();
    }
  });

  it.skipIf(executablePath === undefined)('has a page that answers', async () => {
    const [code] = blocks('In a web page', 'js');
    writeFileSync(join(folder, 'page.js'), code!);
    const html =
      '<!doctype html><link rel="icon" href="data:,"><title>Page</title><input type="file"><output></output>';
    writeFileSync(join(folder, 'page.html'), `${html}<script type="module" src="page.js"></script>`);
    const [, ...commands] = blocks('In a web page', 'sh')[0]!.trim().split('\n');
    expect(commands.length).toBe(3);
    for (const command of commands) execFileSync('bash', ['-euc', command], { cwd: folder, stdio: 'pipe' });
    const server = await serveFolder(join(folder, 'site'));
    const browser = await chromium.launch({
      executablePath: executablePath!,
      args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-sync'],
    });
    try {
      const page = await browser.newPage();
      const problems: string[] = [];
      page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
      page.on('pageerror', (error) => problems.push(error.message));
      await page.goto(`${server.address}/page.html`);
      await page.waitForFunction(() => document.querySelector('input')!.onchange !== null);
      await page.setInputFiles('input', cat);
      await page.waitForFunction(() => document.querySelector('output')!.textContent !== '');
      expect(await page.textContent('output')).toMatch(/^(ant|bee|cat|dog|elk) \d+ %$/);
      expect(problems).toEqual([]);
      // The tokenizer is for texts, and WebGPU is not there.
      expect(server.requests.filter((request) => /tokenizer|webgpu|asyncify/.test(request))).toEqual([]);
    } finally {
      await browser.close();
      await server.close();
    }
  });
});
