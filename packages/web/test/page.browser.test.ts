/**
 * The page as a visitor meets it: the real supervisor with its node processes, a real Chromium.
 * Needs Chromium at YILIAN_CHROMIUM (default /usr/bin/chromium): missing is a failure in CI, a skip elsewhere.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { SupervisorProcess } from '@yilian/node/demo/supervisor-process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const EXECUTABLE = process.env['YILIAN_CHROMIUM'] ?? '/usr/bin/chromium';
const available = existsSync(EXECUTABLE);
if (!available && process.env['CI'] === 'true')
  throw new Error(`CI needs Chromium at ${EXECUTABLE}: .ci/run installs it`);

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const STEPS = [
  'register',
  'visit',
  'issue',
  'request',
  'grant',
  'search',
  'open',
  'log',
  'revoke',
  'retry',
];

describe.skipIf(!available)('the page in Chromium', () => {
  const home = mkdtempSync(join(tmpdir(), 'yilian-page-'));
  let consortium: SupervisorProcess | undefined;
  const taken = createServer();
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    // A port that a node would take is somebody else's: the page must find the node where it went.
    taken.on('error', () => undefined).listen(19_090, '127.0.0.1');
    consortium = new SupervisorProcess({ home });
    const url = await consortium.url();
    browser = await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
    page = await browser.newPage({ locale: 'en-GB', viewport: { width: 1200, height: 1000 } });
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(url);
  });

  afterAll(async () => {
    await browser?.close();
    await consortium?.send('SIGTERM');
    taken.close();
    rmSync(home, { recursive: true, force: true });
  });

  test('shows five nodes and blocks arriving', async () => {
    await page.waitForSelector('.node.running >> nth=4');
    expect(await page.locator('.node.running').count()).toBe(5);
    await page.waitForSelector('.ribbon .block');
  });

  test('a visitor walks the referral to its end', async () => {
    for (const step of STEPS) {
      const item = page.locator(`.step[data-step="${step}"]`);
      await item.locator('button').first().click();
      await page.waitForSelector(
        `.step[data-step="${step}"][data-state="done"], .step[data-step="${step}"][data-state="failed"]`,
      );
      expect(await item.getAttribute('data-state'), `${step}: ${await item.innerText()}`).toBe(
        'done',
      );
    }
    expect(await page.locator('.step[data-step="open"] .record dd').count()).toBeGreaterThan(0);
    expect(
      await page.locator('.step[data-step="retry"] .checks li.refused').count(),
    ).toBeGreaterThan(0);
  });

  test('the chain shows nothing about her', async () => {
    await page.locator('#chain-search').click();
    const result = page.locator('#chain-search-result');
    await result.waitFor();
    expect(await result.getAttribute('data-found')).toBe('0');
    expect(await result.getAttribute('data-linked')).toBe('0');
    expect(Number(await result.getAttribute('data-transactions'))).toBeGreaterThan(5);
  });

  test('a killed node is shown stopped, the chain goes on, and it comes back', async () => {
    const node = page.locator('.node').nth(1);
    await node.locator('button', { hasText: 'Kill' }).click();
    await page.waitForSelector('.node.stopped');
    const before = Number(
      await page.locator('.ribbon .block').last().locator('strong').innerText(),
    );
    await page.waitForFunction(
      (height) =>
        Number(document.querySelector('.ribbon .block:last-child strong')?.textContent) > height,
      before,
    );
    await page.locator('.node.stopped button', { hasText: 'Start' }).click();
    await page.waitForFunction(() => document.querySelectorAll('.node.running').length === 5);
  });

  test('both languages, and no error on the page', async () => {
    await page.getByRole('button', { name: '中文' }).click();
    expect(await page.locator('h1').innerText()).toBe('医链');
    await page.getByRole('button', { name: 'English' }).click();
    expect(await page.locator('h1').innerText()).toBe('Yilian');
    expect(complaints).toEqual([]);
  });
});
