// Small helps; every page reads and buys without them.
'use strict';
document.addEventListener('change', (event) => {
  // A list's checkboxes: mark the rows, count and sum them in the bar below.
  const form = event.target.closest('form[data-pick]');
  if (!form) return;
  const boxes = [...form.querySelectorAll('input[name=meter]')];
  if (event.target.matches('[data-pick-all]')) boxes.forEach((box) => { box.checked = event.target.checked; });
  boxes.forEach((box) => box.closest('tr').classList.toggle('picked', box.checked));
  const count = boxes.filter((box) => box.checked).length;
  form.querySelector('[data-pick-count]').textContent = count;
});
document.addEventListener('submit', (event) => {
  // The same purchase is not sent twice by an impatient finger; the server would refuse the second one anyway.
  const button = event.target.querySelector('button[data-once]');
  if (button) setTimeout(() => { button.disabled = true; }, 0);
});
document.addEventListener('htmx:afterRequest', (event) => {
  // What was sent is gone from its field; a refusal stays there to be mended.
  if (event.target.matches('form[data-clear]') && event.detail.successful) event.target.reset();
});
