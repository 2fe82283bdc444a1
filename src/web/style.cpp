// SPDX-License-Identifier: Apache-2.0
#include "web/style.hpp"

namespace sealpost::web {

std::string_view style_sheet() noexcept {
  return R"css(
:root {
  color-scheme: light dark;
  --paper: #f6f5f1; --card: #ffffff; --ink: #1b232d; --soft: #59636e; --line: #dcd8ce; --field: #ffffff;
  --seal: #9b2335; --link: #1b5a9e; --focus: #1b5a9e;
  --good: #1d7348; --good-bg: #e4f2ea; --warn: #8a5300; --warn-bg: #fbf0db; --bad: #a8231b; --bad-bg: #fae6e4;
  --c1: #2f7d55; --c2: #4a86c5; --c3: #c98a1b; --c4: #b5382f; --c5: #7fb8a0; --c6: #6b5b95;
  --h1: #fdf3df; --h2: #fbe2b8; --h3: #f6c580; --h4: #ec9a52; --h5: #d9652f;
  --on-heat: #1b232d; --on-h5: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12161b; --card: #1b2128; --ink: #e7eaee; --soft: #a0abb7; --line: #343e49; --field: #12161b;
    --seal: #e07a84; --link: #86b8f3; --focus: #f0b94d;
    --good: #6bcf9a; --good-bg: #16301f; --warn: #e9b05a; --warn-bg: #352811; --bad: #f4938a; --bad-bg: #3a1b19;
    --c1: #4fb582; --c2: #6ca7e6; --c3: #e0a83e; --c4: #e2695f; --c5: #8fd0b0; --c6: #a593d6;
    --h1: #2a2417; --h2: #453517; --h3: #6b4b17; --h4: #99601c; --h5: #d27a2c;
    --on-heat: #f3ead9; --on-h5: #14100a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif;
  overflow-wrap: anywhere;
}
a { color: var(--link); text-underline-offset: 2px; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 3px; }
main:focus { outline: none; }
.skip { position: absolute; left: -999px; top: 0; background: var(--card); padding: .5rem 1rem; z-index: 2; }
.skip:focus { left: 0; }

header {
  display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1.5rem;
  background: var(--card); border-bottom: 1px solid var(--line); padding: .6rem 1.25rem;
}
.name { margin: 0; font-weight: 650; letter-spacing: .01em; display: flex; align-items: center; gap: .5rem; }
.name .host { font-weight: 400; color: var(--soft); }
.seal { width: .95rem; height: .95rem; border-radius: 50%; background: var(--seal); box-shadow: inset 0 0 0 3px var(--card), 0 0 0 2px var(--seal); margin: 2px; flex: none; }
nav { order: 3; flex-basis: 100%; margin: 0 -.6rem; }
nav ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .1rem .25rem; }
nav a { display: block; padding: .3rem .6rem; border-radius: 6px; text-decoration: none; color: var(--ink); }
nav a:hover { background: var(--paper); }
nav a[aria-current] { background: var(--paper); box-shadow: inset 0 -2px 0 var(--seal); font-weight: 600; }
header form { display: flex; align-items: center; gap: .6rem; margin: 0 0 0 auto; }
header button { padding: .15rem .7rem; font-size: .9rem; }
.who { color: var(--soft); font-size: .9rem; }
.who b { color: var(--ink); font-weight: 600; }

main { max-width: 76rem; margin: 0 auto; padding: 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .25rem 0 1rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .4rem; }
p { margin: .4rem 0; }
.soft, .remedy, caption, figcaption, .legend { color: var(--soft); }
.small { font-size: .875rem; }
code, pre, .mono { font-family: ui-monospace, "SFMono-Regular", "Liberation Mono", Menlo, monospace; font-size: .875em; }
pre { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .75rem 1rem; margin: .5rem 0; white-space: pre-wrap; }
.note { background: var(--good-bg); border-left: 4px solid var(--good); padding: .6rem 1rem; border-radius: 0 8px 8px 0; }
.note.bad { background: var(--bad-bg); border-color: var(--bad); }

.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .8rem 1.1rem; margin: .75rem 0; }
.card > :first-child { margin-top: 0; } .card > :last-child { margin-bottom: 0; }
.card.good, .card.warn, .card.bad { border-left-width: 5px; }
.card.good { border-left-color: var(--good); } .card.warn { border-left-color: var(--warn); } .card.bad { border-left-color: var(--bad); }
.verdict { font-size: 1.2rem; font-weight: 600; }
.verdict.good { color: var(--good); } .verdict.warn { color: var(--warn); } .verdict.bad { color: var(--bad); }
.remedy::before { content: "\2192\00a0"; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: .75rem 0; padding: 0; }
.figures > div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .6rem .9rem; display: flex; flex-direction: column; }
.figures dt { color: var(--soft); font-size: .875rem; }
.figures dd { margin: 0; font-size: 1.45rem; font-weight: 600; font-variant-numeric: tabular-nums; }
dl.facts { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .25rem 1.25rem; margin: .5rem 0; }
dl.facts dt { color: var(--soft); } dl.facts dd { margin: 0; }

.wide { overflow-x: auto; margin: .5rem 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
caption { text-align: left; padding: .6rem .9rem .2rem; font-size: .9rem; }
th, td { padding: .4rem .9rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--soft); font-weight: 600; font-size: .85rem; white-space: nowrap; }
tbody th { font-weight: 500; overflow-wrap: break-word; min-width: 8rem; max-width: 26rem; }
td { overflow-wrap: break-word; } td.words { min-width: 14rem; overflow-wrap: anywhere; }
.n { text-align: right; white-space: nowrap; overflow-wrap: normal; } td.n { color: var(--ink); }
.log td:last-child { width: 100%; }
tbody tr:hover > :not([class*="h"]) { background: var(--paper); }
td ul { margin: 0; padding-left: 1.1rem; }
.heat td { text-align: center; min-width: 3.2rem; border-left: 1px solid var(--line); } .heat thead th { text-align: center; }
.heat thead th:first-child { text-align: left; }
.heat a { color: inherit; }
td.h0 { color: var(--soft); } td.h1 { background: var(--h1); } td.h2 { background: var(--h2); } td.h3 { background: var(--h3); } td.h4 { background: var(--h4); } td.h5 { background: var(--h5); color: var(--on-h5); }
td.h1, td.h2, td.h3, td.h4 { color: var(--on-heat); }
.tag { display: inline-block; padding: 0 .5rem; border-radius: 999px; border: 1px solid var(--line); font-size: .85rem; white-space: nowrap; }
.tag.good { color: var(--good); background: var(--good-bg); border-color: transparent; }
.tag.warn { color: var(--warn); background: var(--warn-bg); border-color: transparent; }
.tag.bad { color: var(--bad); background: var(--bad-bg); border-color: transparent; }

.fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .5rem .9rem; align-items: end; }
.row > div { min-width: 0; max-width: 100%; } .fields .row { margin: 0; grid-column-end: span 2; }
.row { align-items: end; }
label { display: block; font-size: .875rem; color: var(--soft); }
input, select, textarea { font: inherit; width: 100%; padding: .4rem .6rem; color: var(--ink); background: var(--field); border: 1px solid var(--soft); border-radius: 6px; }
textarea { font-family: ui-monospace, monospace; resize: vertical; }
input[type=checkbox], input[type=radio] { width: 1.1rem; height: 1.1rem; margin: .25rem; }
button, a.button { display: inline-block; white-space: nowrap; font: inherit; font-weight: 600; padding: .4rem 1rem; border-radius: 6px; cursor: pointer; border: 1px solid var(--link); background: var(--link); color: var(--card); text-decoration: none; }
button.quiet, a.button.quiet { background: transparent; color: var(--link); font-weight: 500; }
button.grave { background: var(--bad); border-color: var(--bad); }
.row { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; margin: .6rem 0; }

figure { margin: .75rem 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .8rem 1.1rem; }
.plot { overflow-x: auto; } .newest { direction: rtl; } .newest svg { direction: ltr; }
figure svg { display: block; width: 100%; min-width: 36rem; height: auto; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; padding: 0; margin: .5rem 0 0; font-size: .9rem; }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: 3px; margin-right: .45rem; vertical-align: -1px; }
.b1 { background: var(--c1); } .b2 { background: var(--c2); } .b3 { background: var(--c3); } .b4 { background: var(--c4); } .b5 { background: var(--c5); } .b6 { background: var(--c6); }
.f1 { fill: var(--c1); } .f2 { fill: var(--c2); } .f3 { fill: var(--c3); } .f4 { fill: var(--c4); } .f5 { fill: var(--c5); } .f6 { fill: var(--c6); }
.axis { stroke: var(--line); stroke-width: 1; } .label { fill: var(--soft); font-size: 11px; font-family: inherit; }
.end { text-anchor: end; } .middle { text-anchor: middle; }
.strip { list-style: none; display: flex; gap: 2px; margin: .6rem 0 0; padding: 0; } .strip li { flex: 1 1 0; height: 1.6rem; border-radius: 3px; min-width: 3px; } .strip .none { background: var(--line); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
svg.bar { width: 7rem; height: .7rem; display: block; margin-top: .35rem; } .rest { fill: var(--line); }
details { margin: .5rem 0; } summary { cursor: pointer; color: var(--link); }

body.login { min-height: 100vh; display: grid; place-items: center; padding: 1rem; }
body.login main { width: 100%; max-width: 22rem; background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1.5rem; }
body.login h1 { margin-top: .75rem; } body.login label { margin-top: .75rem; } body.login button { margin-top: 1.25rem; width: 100%; }

@media (max-width: 40rem) {
  header { padding: .6rem .9rem; } main { padding: .9rem; }
  nav a { padding: .3rem .5rem; }
  dl.facts { grid-template-columns: 1fr; gap: 0; } dl.facts dd { margin-bottom: .5rem; }
  th, td { padding: .35rem .6rem; }
  .figures { grid-template-columns: 1fr 1fr; }
}
@media (prefers-reduced-motion: no-preference) { nav a { transition: background .15s; } }
@media print {
  :root { --paper: #ffffff; --card: #ffffff; --ink: #000000; --soft: #444444; --line: #bbbbbb; --link: #000000; }
  header nav, header form, form, .skip, .noprint { display: none; }
  header { border: 0; padding: 0; } main { max-width: none; padding: 0; }
  .wide { overflow: visible; border: 0; } table { font-size: .8rem; } th, td { padding: .2rem .4rem; } td.words { min-width: 0; } th, td, code { overflow-wrap: anywhere; } .plot { overflow: visible; } figure svg { min-width: 0; }
  .card, figure, tr { break-inside: avoid; }
  .key, .heat td, .tag, svg { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
)css";
}

std::string_view icon() noexcept {
  return R"svg(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect x="2" y="7" width="28" height="19" rx="3" fill="#f6f5f1" stroke="#59636e" stroke-width="2"/><path d="M3 9l13 10L29 9" fill="none" stroke="#59636e" stroke-width="2"/><circle cx="16" cy="18" r="6" fill="#9b2335"/><circle cx="16" cy="18" r="3.4" fill="none" stroke="#e9b9bf" stroke-width="1.2"/></svg>)svg";
}

}  // namespace sealpost::web
