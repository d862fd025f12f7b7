"""Refusals of the votes' routes that the chain does not know."""

from typing import Final

from app.core.codes import app_code

REGULATION_REFUSED: Final = app_code(
    422,
    "votes_regulation_refused",
    "The regulation or its rulebook cannot be published; the detail says what to change.",
    "Le règlement ou ses règles de comptage ne peuvent être publiés ; le détail dit quoi changer.",
)
REGULATION_UNKNOWN: Final = app_code(
    409,
    "votes_regulation_unknown",
    "The election names a regulation that no draft holds; draft the vote here, then sign the body you were given.",
    "L'élection nomme un règlement qu'aucun brouillon ne contient ; préparez le vote ici, puis signez le texte reçu.",
)
REGULATION_DIFFERS: Final = app_code(
    409,
    "votes_regulation_differs",
    "The election asks something else than the rulebook of its regulation counts, or in another order: its choices "
    "cannot be named. Tell the electoral commission; the votes per choice are in the archive.",
    "L'élection demande autre chose que ce que compte le règlement, ou dans un autre ordre : ses choix ne peuvent être "
    "nommés. Prévenez la commission électorale ; les voix par choix sont dans l'archive.",
)
ROLL_CLOSED: Final = app_code(
    409,
    "votes_roll_closed",
    "The rolls of this election are fixed on the chain and can no longer be drawn up.",
    "Les listes de cette élection sont fixées sur la chaîne et ne peuvent plus être dressées.",
)
ROLL_SMALL: Final = app_code(
    422,
    "votes_roll_small",
    "A station of the election would have nobody, or too few to hide one another; merge stations.",
    "Un bureau de l'élection n'aurait personne, ou trop peu de monde pour se fondre ; réunissez des bureaux.",
)
NOT_ON_ROLL: Final = app_code(
    404,
    "votes_own_roll_missing",
    "You are not on the roll of this election; if you think you should be, call city hall.",
    "Vous n'êtes pas sur la liste de cette élection ; si c'est une erreur, appelez la mairie.",
)
RESULT_MISSING: Final = app_code(
    409,
    "votes_result_missing",
    "There is no result; the election's page says when to expect it, or that the vote was cancelled.",
    "Il n'y a pas de résultat ; la page de l'élection dit quand l'attendre, ou que le vote est annulé.",
)
ARCHIVE_MISSING: Final = app_code(
    409,
    "votes_archive_missing",
    "The archive cannot be put together: the list is not closed yet, or ballots were deleted after appeals.",
    "L'archive ne peut être assemblée : la liste n'est pas close, ou les bulletins ont été effacés après les recours.",
)
COMPLAINTS_CLOSED: Final = app_code(
    409,
    "votes_complaints_closed",
    "Complaints are taken until appeals are over; write to the administrative court or to city hall.",
    "Les réclamations sont prises jusqu'à la fin des recours ; écrivez au tribunal administratif ou à la mairie.",
)
