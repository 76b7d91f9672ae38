/** The page of a server: what stands there before the script has run. */

const side = (name: string, title: string) => `
<section class="side" id="${name}" aria-label="${title}">
  <h2>${title}</h2>
  <div class="choice">
    <label>Model <select class="model"></select></label>
    <label class="vector" hidden>Chat vector <select class="delta"></select></label>
    <label class="vector scaled" hidden>Scale <output>1.00</output>
      <input class="scale" type="range" min="0" max="1.5" step="0.05" value="1"></label>
  </div>
  <div class="talk-of" role="log" aria-live="polite"></div>
  <p class="figures" aria-live="off"></p>
</section>`

export const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>tongueforge</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="page.css">
<script src="page.js" defer></script>
</head>
<body>
<header>
<h1>Talk with a model</h1>
<p class="lead" id="lead">Looking for models…</p>
<form id="key" hidden><label>API key <input type="password" autocomplete="off"></label> <button>Use it</button></form>
</header>
<main>
<div class="sides">${side('left', 'Model')}${side('right', 'Beside it')}</div>
<form id="ask">
  <textarea id="prompt" rows="3" aria-label="Your message" placeholder="Your message; Enter sends, Shift+Enter goes to the next line"></textarea>
  <div class="row">
    <button id="send">Send</button>
    <button id="stop" type="button" disabled>Stop</button>
    <button id="reset" type="button">Forget</button>
    <label><input id="compare" type="checkbox"> Compare</label>
    <label>Temperature <input id="temperature" type="number" min="0" max="2" step="0.1" value="0.7"></label>
    <label>Longest answer <input id="longest" type="number" min="1" max="100000" value="256"></label>
  </div>
  <p id="problem" role="alert"></p>
</form>
</main>
</body>
</html>
`
