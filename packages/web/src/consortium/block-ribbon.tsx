import type { DemoNode } from '@yilian/client/demo-consortium';
import { type ReactElement, useContext } from 'react';
import { formatTime, LanguageContext, useTranslate } from '../language.ts';
import type { LiveBlock } from './consortium-feed.ts';

/** The last blocks, newest at the right, coloured by the tier of the hospital that led. */
export function BlockRibbon({
  blocks,
  nodes,
}: {
  readonly blocks: readonly LiveBlock[];
  readonly nodes: readonly DemoNode[];
}): ReactElement {
  const t = useTranslate();
  const language = useContext(LanguageContext);
  return (
    <ol className="ribbon" aria-label={t('blocks.label')}>
      {blocks.map((block) => {
        const leader = nodes.find((node) => node.consensusKey === block.proposer);
        return (
          <li
            key={block.height}
            className={`block ${leader?.tier ?? ''} ${block.count === 0 ? 'empty' : ''}`}
            title={`${formatTime(language, block.timeMs)} · ${leader?.name ?? '?'}`}
          >
            <strong>{block.height}</strong>
            <span>{t('blocks.count', { count: block.count })}</span>
          </li>
        );
      })}
    </ol>
  );
}
