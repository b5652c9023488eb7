/** The trust anchor: what a device believes before it asks anybody, to hand on as text, QR or file. */
import { existsSync, readFileSync } from 'node:fs';
import { replaceFile } from '@yilian/client/platform/node-platform';
import {
  anchorPoint,
  encodeTrustAnchor,
  parseTrustAnchor,
  type TrustAnchor,
} from '@yilian/client/trust-anchor';
import { toHex, utf8 } from '@yilian/crypto/bytes';
import type { Command } from '../command.ts';
import { EXIT } from '../exit-code.ts';

/** An anchor as text, or in the file of that name (with @ or without). @throws ClientError */
export function readAnchor(value: string): TrustAnchor {
  const path = value.startsWith('@') ? value.slice(1) : value;
  return parseTrustAnchor(existsSync(path) ? readFileSync(path, 'utf8') : value);
}

const anchor: Command = {
  name: 'anchor',
  usage: 'anchor [--checkpoint] [--out FILE]',
  summary: {
    en: 'write the trust anchor, with a fresh checkpoint of the regulator for devices that were away long',
    zh: '导出信任锚；可附上监管中心的最新检查点，供长期离线的设备使用',
  },
  options: { checkpoint: { type: 'boolean' }, out: { type: 'string' } },
  run: async (session, options) => {
    const { network, reader } = session.connect();
    const { chainId, genesisId, regulatorKey } = network.anchor;
    // The anchor is held against what the nodes say of themselves before it is handed on.
    await reader.head({ fresh: true });
    const plain: TrustAnchor = { chainId, genesisId, regulatorKey };
    const made = options.flag('checkpoint')
      ? { ...plain, checkpoint: await reader.headers.checkpoint() }
      : plain;
    const text = encodeTrustAnchor(made);
    // Read back as the other device will.
    const point = anchorPoint(parseTrustAnchor(text));
    const file = options.text('out');
    if (file !== undefined) await replaceFile(file, utf8(`${text}\n`));
    session.answer(
      {
        anchor: text,
        chainId,
        genesisId: toHex(genesisId),
        regulatorKey: toHex(regulatorKey),
        checkpoint:
          point === null
            ? null
            : { height: String(point.height), time: new Date(point.timeMs).toISOString() },
        ...(file === undefined ? {} : { file }),
      },
      [
        file === undefined ? text : session.say('anchorWritten', { file }),
        session.say('anchorOf', { chain: chainId, key: toHex(regulatorKey) }),
        ...(point === null
          ? []
          : [
              session.say('trustCheckpoint', {
                height: String(point.height),
                time: new Date(point.timeMs).toISOString(),
              }),
            ]),
      ],
    );
    return EXIT.ok;
  },
};

export const ANCHOR_COMMANDS: readonly Command[] = [anchor];
