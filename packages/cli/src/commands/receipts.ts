/** Receipts: fetched with a connection, verified without one. */
import { readFileSync } from 'node:fs';
import { replaceFile } from '@yilian/client/platform/node-platform';
import { createReceiptFile, verifyReceiptFile } from '@yilian/client/receipt-verification';
import { toHex } from '@yilian/crypto/bytes';
import { toTransactionId } from '@yilian/ledger/ids';
import { type Command, parseHex } from '../command.ts';
import { EXIT, UsageError } from '../exit-code.ts';
import { readAnchor } from './anchor.ts';

const receipt: Command = {
  name: 'receipt',
  usage: 'receipt TRANSACTION --out FILE',
  summary: { en: 'fetch the receipt of a transaction', zh: '获取交易回执' },
  options: { out: { type: 'string' } },
  run: async (session, options) => {
    const { network, reader } = session.connect();
    const id = toTransactionId(parseHex(options.argument(0, 'TRANSACTION'), 32, 'TRANSACTION'));
    const file = options.required('out');
    const final = await reader.transaction(id);
    if (final === undefined) throw new UsageError('noTransaction', { id: toHex(id) });
    await replaceFile(file, await createReceiptFile(network, final.receipt));
    session.answer({ file, outcome: final.leaf.outcome, height: final.leaf.height }, [
      session.say('receiptWritten', { file }),
    ]);
    return EXIT.ok;
  },
};

const verify: Command = {
  name: 'verify',
  usage: 'verify FILE [--anchor TEXT|FILE]',
  summary: {
    en: 'verify a receipt offline, against the trust anchor alone',
    zh: '仅凭信任锚离线验证回执',
  },
  options: { anchor: { type: 'string' } },
  run: (session, options) => {
    const text = options.text('anchor');
    const anchor = text === undefined ? session.connect().network.anchor : readAnchor(text);
    let file: Uint8Array;
    const path = options.argument(0, 'FILE');
    try {
      file = new Uint8Array(readFileSync(path));
    } catch {
      throw new UsageError('unreadable', { path });
    }
    const verdict = verifyReceiptFile(anchor, file, session.platform.verifySignature);
    if (!verdict.ok) {
      session.answer({ valid: false, code: verdict.code }, [
        session.say('receiptFails', { code: verdict.code }),
      ]);
      return Promise.resolve(EXIT.verification);
    }
    const { transaction, leaf, provenBy, signers, validators, trustPoint } = verdict.receipt;
    const { type } = transaction.body;
    session.answer(
      {
        valid: true,
        transaction: toHex(transaction.id),
        type,
        outcome: leaf.outcome,
        height: leaf.height,
        provenBy: String(provenBy.height),
        signers,
        validators,
        trustPoint: { ...trustPoint, height: String(trustPoint.height) },
      },
      [
        session.say('receiptHolds', {
          type,
          outcome: leaf.outcome,
          height: leaf.height,
          signers,
          validators,
        }),
        session.say(trustPoint.kind === 'genesis' ? 'trustGenesis' : 'trustCheckpoint', {
          height: String(trustPoint.height),
          time: new Date(trustPoint.timeMs).toISOString(),
        }),
        ...(trustPoint.isOld ? [session.say('trustOld', {})] : []),
      ],
    );
    return Promise.resolve(EXIT.ok);
  },
};

export const RECEIPT_COMMANDS: readonly Command[] = [receipt, verify];
