import type { DemoNode } from '@yilian/client/demo-consortium';
import type { ReactElement } from 'react';
import { useTranslate } from '../language.ts';

const SIZE = 300;
const RADIUS = 108;

interface Placed {
  readonly node: DemoNode;
  readonly x: number;
  readonly y: number;
}

function place(nodes: readonly DemoNode[]): readonly Placed[] {
  return nodes.map((node, index) => {
    const angle = (2 * Math.PI * index) / nodes.length - Math.PI / 2;
    return { node, x: SIZE / 2 + RADIUS * Math.cos(angle), y: SIZE / 2 + RADIUS * Math.sin(angle) };
  });
}

/** Every node on a ring, joined to every other that runs; the primary of the last block stands out. */
export function ConsortiumMap({
  nodes,
  primary,
  height,
}: {
  readonly nodes: readonly DemoNode[];
  readonly primary: string | undefined;
  readonly height: number | undefined;
}): ReactElement {
  const t = useTranslate();
  const placed = place(nodes);
  return (
    <svg
      className="map"
      viewBox={`0 0 ${SIZE} ${SIZE}`}
      role="img"
      aria-label={t('consortium.mapLabel')}
    >
      {placed.flatMap((from, i) =>
        placed
          .slice(i + 1)
          .map((to) => (
            <line
              key={`${from.node.id}-${to.node.id}`}
              x1={from.x}
              y1={from.y}
              x2={to.x}
              y2={to.y}
              className={from.node.running && to.node.running ? 'link' : 'link cut'}
            />
          )),
      )}
      <text x={SIZE / 2} y={SIZE / 2 - 6} className="map-height">
        {height ?? '–'}
      </text>
      <text x={SIZE / 2} y={SIZE / 2 + 14} className="map-caption">
        {t('consortium.height')}
      </text>
      {placed.map(({ node, x, y }) => (
        <g key={node.id} className={node.running ? 'running' : 'stopped'}>
          {node.consensusKey === primary && node.running && (
            <circle cx={x} cy={y} r={25} className="halo" key={height} />
          )}
          <circle cx={x} cy={y} r={18} className={`map-node ${node.tier}`} />
          <text x={x} y={y + 5} className="map-letter">
            {t(`node.${node.tier}.letter`)}
          </text>
          <text x={x} y={y + 34} className="map-name">
            {node.name}
          </text>
        </g>
      ))}
    </svg>
  );
}
