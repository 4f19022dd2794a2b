"""How the status page looks: light and dark, narrow and wide. No fonts, images or scripts, from here or elsewhere."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #fff; --ink: #1b1f24; --soft: #57606a; --line: #d4d9df;
  --good: #136c34; --good-ground: #e2f5e8; --bad: #b3161e; --bad-ground: #fdebec; --wait: #7a4b00; --wait-ground: #fff4dc; }
@media (prefers-color-scheme: dark) { :root { --ground: #0f1318; --card: #181d24; --ink: #e8ebef; --soft: #a3adb8;
  --line: #323a44; --good: #5fd68b; --good-ground: #12301f; --bad: #ff9196; --bad-ground: #3d171a; --wait: #f0c05a;
  --wait-ground: #35290d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.35rem; line-height: 1.25; }
h2 { margin: 0 0 .5rem; font-size: 1rem; }
p { margin: .25rem 0; }
a { color: inherit; }
code { font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
header, section { margin-bottom: 1rem; padding: 1rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; overflow-wrap: anywhere; }
header { border-left: .5rem solid; }
.good { color: var(--good); } .bad { color: var(--bad); } .wait { color: var(--wait); }
header.good { border-left-color: var(--good); background: var(--good-ground); }
header.bad { border-left-color: var(--bad); background: var(--bad-ground); }
header.wait { border-left-color: var(--wait); background: var(--wait-ground); }
header p { color: var(--ink); }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 0 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .3rem .75rem .3rem 0; border-top: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--soft); font-weight: normal; white-space: nowrap; }
td:empty::after { content: "–"; color: var(--soft); }
@media (max-width: 40rem) {
  table, tbody, tr, td { display: block; } thead { display: none; }
  tr { border-top: 1px solid var(--line); padding: .3rem 0; }
  td { border: 0; padding: 0; }
  td::before { content: attr(data-head) ": "; color: var(--soft); }
}
ol { margin: 0; padding: 0; list-style: none; }
ol > li { position: relative; margin-left: .35rem; padding: 0 0 .75rem 1.25rem; border-left: 2px solid var(--line); }
ol > li::before { content: ""; position: absolute; left: -.42rem; top: .4rem; width: .7rem; height: .7rem;
  border-radius: 50%; background: currentColor; border: 2px solid var(--card); }
ol > li:last-child { padding-bottom: 0; }
ol > li > * { color: var(--ink); }
ol > li .verdict { color: inherit; font-weight: 600; }
li.good .verdict { color: var(--good); } li.bad .verdict { color: var(--bad); } li.wait .verdict { color: var(--wait); }
summary { cursor: pointer; color: var(--soft); }
ul { margin: .25rem 0; padding-left: 1.25rem; }
nav a { margin-right: 1rem; }
"""
