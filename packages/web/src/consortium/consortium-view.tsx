import { controlDemoNode, type DemoNode } from '@yilian/client/demo-consortium';
import type { Platform } from '@yilian/client/platform/platform';
import { type ReactElement, useState } from 'react';
import { useTranslate } from '../language.ts';
import { BlockRibbon } from './block-ribbon.tsx';
import type { ConsortiumState } from './consortium-feed.ts';
import { ConsortiumMap } from './consortium-map.tsx';

/** The consortium live: who takes part, who leads, blocks arriving; any node can be stopped and started. */
export function ConsortiumView({
  state,
  platform,
}: {
  readonly state: ConsortiumState;
  readonly platform: Platform;
}): ReactElement {
  const t = useTranslate();
  switch (state.kind) {
    case 'loading':
      return <p className="hint">{t('consortium.loading')}</p>;
    case 'unreachable':
      return <p className="problem">{t('consortium.unreachable')}</p>;
    case 'ready': {
      const { consortium, blocks } = state;
      const primary = blocks.at(-1)?.proposer;
      return (
        <section className="card" aria-labelledby="consortium-title">
          <h2 id="consortium-title">{t('consortium.title')}</h2>
          <p className="hint">{t('consortium.hint')}</p>
          <div className="consortium">
            <ConsortiumMap
              nodes={consortium.nodes}
              primary={primary}
              height={blocks.at(-1)?.height}
            />
            <ul className="nodes">
              {consortium.nodes.map((node) => (
                <NodeRow
                  key={node.id}
                  node={node}
                  leads={node.running && node.consensusKey === primary}
                  platform={platform}
                />
              ))}
            </ul>
          </div>
          <BlockRibbon blocks={blocks} nodes={consortium.nodes} />
        </section>
      );
    }
  }
}

function NodeRow({
  node,
  leads,
  platform,
}: {
  readonly node: DemoNode;
  readonly leads: boolean;
  readonly platform: Platform;
}): ReactElement {
  const t = useTranslate();
  const [busy, setBusy] = useState(false);
  const [hasFailed, setHasFailed] = useState(false);
  const act = (action: 'stop' | 'start' | 'kill'): void => {
    setBusy(true);
    void controlDemoNode(platform, '', { id: node.id, action })
      .then(
        () => setHasFailed(false),
        () => setHasFailed(true),
      )
      .finally(() => setBusy(false));
  };
  return (
    <li className={`node ${node.running ? 'running' : 'stopped'}`} data-node={node.id}>
      <span className={`dot ${node.tier}`} aria-hidden="true" />
      <span className="node-name">
        {t(`node.${node.tier}`)} <small>{node.name}</small>
      </span>
      {leads && <span className="badge">{t('node.leads')}</span>}
      <span className="node-actions">
        {node.running ? (
          <>
            <button type="button" disabled={busy} onClick={() => act('stop')}>
              {t('node.stop')}
            </button>
            <button
              type="button"
              disabled={busy}
              onClick={() => act('kill')}
              title={t('node.killHint')}
            >
              {t('node.kill')}
            </button>
          </>
        ) : (
          <button type="button" disabled={busy} onClick={() => act('start')}>
            {t('node.start')}
          </button>
        )}
      </span>
      {hasFailed && <span className="problem">{t('node.failed')}</span>}
    </li>
  );
}
