import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { createPagePlatform } from './session.ts';
import './styles.css';

const root = document.getElementById('root');
if (root === null) throw new Error('the page has no root element');
const platform = await createPagePlatform();
createRoot(root).render(
  <StrictMode>
    <App platform={platform} />
  </StrictMode>,
);
