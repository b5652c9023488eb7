/** The store of a node that runs one: where its ciphertexts lie, who attests them, and who looks after them. */
import { join } from 'node:path';
import { equalBytes } from '@yilian/crypto/bytes';
import type { ChainContext } from '@yilian/crypto/context';
import { deriveMemberId } from '@yilian/ledger/ids';
import type { Signer } from '@yilian/ledger/transaction-codec';
import type { Clock } from '../clock.ts';
import type { StoreService } from '../http/node-services.ts';
import type { ChainView } from '../services/chain-view.ts';
import type { Shelf } from '../services/service-store.ts';
import type { TransactionSender } from '../services/transaction-sender.ts';
import { type CopyPlace, createCopySource, createCopySources } from '../stores/copy-source.ts';
import { openFileObjectStore } from '../stores/file-object-store.ts';
import { type ObjectCare, type ObjectCareEvent, createObjectCare } from '../stores/object-care.ts';
import { createObjectHoldings } from '../stores/object-holdings.ts';
import { openObjectInventory } from '../stores/object-inventory.ts';
import type { ObjectStore } from '../stores/object-store.ts';
import { openWhenReachable } from '../stores/reachable-object-store.ts';
import { openS3ObjectStore } from '../stores/s3-object-store.ts';
import type { S3Settings } from '../stores/s3-settings.ts';
import { verifyObject } from '../stores/verify-object.ts';

export interface OpenStoreOptions {
  readonly context: ChainContext;
  readonly chain: ChainView;
  readonly clock: Clock;
  /** Of the node; objects lie below it unless `s3` says where. */
  readonly directory: string;
  readonly objectBytesMax: number;
  readonly s3: S3Settings | null;
  /** Other operators' stores, to repair from and to audit, as they are known at the moment. */
  readonly copies: () => readonly CopyPlace[];
  /** The store's key, which attests. */
  readonly storeSigner: Signer;
  /** The node's key, which asks other stores and reports. */
  readonly nodeSigner: Signer;
  readonly sender: TransactionSender;
  readonly shelf: (name: 'objects' | 'storage-findings' | 'copy-doubts') => Shelf;
  readonly onEvent: (event: ObjectCareEvent) => void;
  readonly onError: (error: unknown) => void;
}

function openObjects(options: OpenStoreOptions): Promise<ObjectStore> {
  const { directory, objectBytesMax, s3 } = options;
  return s3 === null
    ? openFileObjectStore({
        directory: join(directory, 'objects'),
        objectBytesMax,
        verify: verifyObject,
      })
    : openWhenReachable(() =>
        openS3ObjectStore({ settings: s3, objectBytesMax, verify: verifyObject }),
      );
}

export async function openStore(
  options: OpenStoreOptions,
): Promise<{ readonly service: StoreService; readonly care: ObjectCare }> {
  const { context, chain, clock, copies, storeSigner, nodeSigner, sender, shelf } = options;
  const { onEvent, onError } = options;
  const member = deriveMemberId(context, storeSigner.key);
  const objects = createObjectHoldings({
    context,
    objects: await openObjects(options),
    inventory: openObjectInventory(shelf('objects')),
    verify: verifyObject,
  });
  const care = createObjectCare({
    context,
    chain,
    clock,
    holdings: objects,
    sources: createCopySources({
      places: () => copies().filter(({ store }) => !equalBytes(store, member)),
      open: (place) => createCopySource({ context, place, signer: nodeSigner, clock }),
    }),
    store: member,
    signer: nodeSigner,
    sender,
    verify: verifyObject,
    shelf,
    onEvent,
    onError,
  });
  return { service: { objects, member, signer: storeSigner }, care };
}
