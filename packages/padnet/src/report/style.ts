/** The report's style sheet: system fonts, light and dark, narrow and wide, screen and paper. */
import { fullColour } from './charts/heatMap.js';
import { colourVariables } from './charts/runColours.js';

export const styleSheet = `
:root{color-scheme:light dark;--paper:#fff;--ink:#1a1e24;--muted:#59626e;--rule:#e4e8ed;--tint:#f5f7f9;--on-pale:#000;
  --on-full:#000;${colourVariables('light')}}
@media screen and (prefers-color-scheme:dark){
:root{--paper:#14171c;--ink:#e8ebef;--muted:#9aa4b1;--rule:#2c323a;--tint:#1c2027;--on-pale:#fff;--on-full:#000;
  ${colourVariables('dark')}}
}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
  font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,Inter,"Helvetica Neue",Arial,sans-serif;
  -webkit-text-size-adjust:100%}
main{max-width:1160px;margin:0 auto;padding:56px 32px 72px}
h1{font-size:clamp(28px,4.4vw,42px);line-height:1.12;letter-spacing:-.022em;font-weight:700;margin:6px 0 16px;
  text-wrap:balance}
h2{font-size:23px;line-height:1.25;letter-spacing:-.012em;font-weight:650;margin:0 0 4px}
h3{font-size:15px;line-height:1.3;font-weight:600;margin:0 0 8px}
.kicker{margin:0;color:var(--muted);font-size:13px;font-weight:600;letter-spacing:.07em;text-transform:uppercase}
.lead{font-size:19px;line-height:1.5;max-width:46em;margin:0 0 28px;text-wrap:pretty}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:14px 28px;margin:0;padding:18px 0 0;
  border-top:1px solid var(--rule)}
.facts dt{color:var(--muted);font-size:13px}
.facts dd{margin:0;font-size:15px;overflow-wrap:anywhere}
section{margin-top:60px}
.sub{color:var(--muted);margin:0 0 20px;max-width:46em}
.scroll{overflow-x:auto;-webkit-overflow-scrolling:touch}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:right;vertical-align:top;padding:12px 0 12px 14px;white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0}
tbody th{white-space:normal;overflow-wrap:anywhere;min-width:110px;max-width:230px;position:sticky;left:0;
  background:var(--paper)}
thead th{color:var(--muted);font-size:13px;font-weight:500;vertical-align:bottom;border-bottom:1px solid var(--ink);
  padding-top:0;padding-bottom:8px}
tbody th,tbody td{border-bottom:1px solid var(--rule)}
tbody th{font-weight:600}
td b,td .value{display:block;font-size:17px;font-weight:450}
td b{font-weight:700}
td b::before{content:"";display:inline-block;width:7px;height:7px;border-radius:50%;background:currentColor;
  margin-right:7px;vertical-align:.12em}
small{display:block;color:var(--muted);font-size:12.5px;font-weight:400;line-height:1.45}
.swatch{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:9px;vertical-align:-.02em;
  background:var(--c)}
.notes{color:var(--muted);font-size:13.5px;margin:14px 0 0;padding-left:1.1em}
.notes li{margin:2px 0}
.grid{display:grid;gap:36px 44px;grid-template-columns:repeat(auto-fill,minmax(min(100%,400px),1fr))}
.grid.small{gap:26px 36px;grid-template-columns:repeat(auto-fill,minmax(min(100%,290px),1fr))}
figure{margin:0;min-width:0;break-inside:avoid}
figure svg{width:100%;height:auto;display:block;overflow:visible;font-family:inherit}
.swatch,.share,.scale,figure svg{print-color-adjust:exact;-webkit-print-color-adjust:exact}
.grid.small svg{max-width:420px}
figcaption{font-weight:600;font-size:15px;margin-bottom:8px}
figcaption small{display:inline;margin-left:6px}
.tokens th{font-weight:600;white-space:nowrap;min-width:0;padding:6px 12px 6px 0;position:static}
.tokens th small{display:inline;margin-left:4px}
.tokens td{text-align:left;white-space:normal;padding:6px 0;font-size:14px}
.share{display:inline-block;width:34px;height:8px;border-radius:2px;margin-right:8px;vertical-align:.06em;
  background:linear-gradient(90deg,var(--c) var(--share),var(--rule) var(--share))}
.token{display:inline-block;margin:0 10px 2px 0;overflow-wrap:anywhere}
.token small{display:inline;margin-left:3px}
.read{background:var(--tint);border-radius:8px;padding:12px 16px;margin:24px 0 0;font-size:14.5px;max-width:64em;
  break-inside:avoid}
.read b{font-weight:650}
.picture{display:grid;grid-template-columns:76px 1fr;gap:4px 14px;align-items:start}
.picture figcaption{grid-column:1/-1;margin:0}
.picture img{width:76px;height:76px;object-fit:contain;image-rendering:pixelated;border-radius:6px;background:#000;
  display:block}
.run{margin:28px 0 14px}
.scale{display:inline-block;width:120px;height:10px;border-radius:3px;margin:0 8px;vertical-align:-1px;
  background:linear-gradient(90deg,transparent,color-mix(in srgb,var(--c) ${100 * fullColour}%,transparent));
  border:1px solid var(--rule)}
.settings{color:var(--muted);font-size:13px;margin:-6px 0 6px}
.empty{color:var(--muted)}
.wide svg{min-width:760px}
.sweep{display:grid;gap:28px 36px;grid-template-columns:minmax(0,9fr) minmax(0,11fr);align-items:start}
.sweep.stacked{grid-template-columns:minmax(0,1fr)}
.sweep.stacked figure{max-width:600px}
.legend{display:flex;flex-wrap:wrap;gap:2px 20px;margin:0 0 8px;font-size:14px;font-weight:600}
.compact th,.compact td{padding:7px 0 7px 14px}
.compact th:first-child{padding-left:0}
.compact tbody th{min-width:0;max-width:none;white-space:nowrap;font-size:15px}
.compact .name{text-align:left}
.compact .name+.name{position:static}
.compact td .value,.compact td small{display:inline;font-size:15px}
.compact td small{font-size:13px;margin-left:5px}
details{margin-top:18px;font-size:14.5px}
summary{cursor:pointer;color:var(--muted)}
details th,details td{padding-top:5px;padding-bottom:5px;font-size:14px}
footer{margin-top:64px;padding-top:16px;border-top:1px solid var(--rule);color:var(--muted);font-size:13.5px}
code{font:.92em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
@media (max-width:1000px){
.sweep{grid-template-columns:minmax(0,1fr)}
}
@media (max-width:600px){
main{padding:32px 18px 48px}
.lead{font-size:17px}
section{margin-top:44px}
}
@media print{
@page{margin:16mm}
body{font-size:11pt}
main{max-width:none;padding:0}
section{margin-top:28px}
th,td{padding-left:10px;white-space:normal}
td b,td .value{font-size:11pt}
details{display:none}
h2,h3,figcaption{break-after:avoid}
}
`;
