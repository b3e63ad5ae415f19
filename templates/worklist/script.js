// Comfort alone: every page works without it.
"use strict";
(function () {
  var told = document.getElementById("told");
  var error = document.querySelector(".error");
  // What was done, or why it was not, is read out first.
  if (error) { error.focus(); } else if (told && told.textContent) {
    var place = location.hash && document.querySelector(location.hash + " a");
    (place || told).focus();
  }

  document.addEventListener("submit", function (event) {
    var form = event.target;
    var question = form.getAttribute("data-confirm");
    var reason = form.elements.reason;
    if (question && reason && reason.value && !window.confirm(question)) { event.preventDefault(); }
  });

  function notice(text, action) {
    var old = document.querySelector(".notice");
    if (old) { old.remove(); }
    var box = document.createElement("p");
    box.className = "notice";
    box.setAttribute("role", "status");
    document.getElementById("main").prepend(box);
    box.textContent = text + " ";
    var button = document.createElement("button");
    button.type = "button";
    button.textContent = action;
    button.addEventListener("click", function () { location.reload(); });
    box.append(button);
  }

  var idle = Number(document.body.getAttribute("data-idle-seconds"));
  if (idle > 0) {
    if (idle > 120) {
      setTimeout(function () { notice("You are logged off in one minute.", "Stay logged in"); }, (idle - 60) * 1000);
    }
    if (idle > 600 && document.querySelector(".flags")) {
      setTimeout(function () { notice("This list is five minutes old.", "Show it anew"); }, 300000);
    }
  }
})();
