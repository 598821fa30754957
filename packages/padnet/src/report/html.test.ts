import { expect, it } from 'vitest';
import { html, trusted } from './html.js';

it('escapes values, in text and in attributes, and keeps markup of its own', () => {
  const evil = `<script>"&'`;
  expect(html`<p title="${evil}">${evil}</p>`.text).toBe(
    '<p title="&lt;script&gt;&quot;&amp;&#39;">&lt;script&gt;&quot;&amp;&#39;</p>',
  );
  expect(html`${[html`<b>${1}</b>`, trusted('<i>')]}${null}${false}${0}`.text).toBe('<b>1</b><i>0');
});
