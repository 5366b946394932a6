// A new run, from the menu or after another one: asked for as soon as the game has its data and its menu, and there
// when a map was made since and its clock went back. A game that boots or fades out is waited for, and asked again
// where nothing began or the menu came back, but not for ever. Main thread only.
using System;
using Assets.Scripts.Game.Other;
using Assets.Scripts.Managers;
using Assets.Scripts.Utility;
using BonkLink;

namespace ResearchPlugin;

public sealed class NewRun
{
    private const float NoTimeS = 0.1f;
    private bool _isAsked;
    private double _sinceS, _askedS, _loadedS = double.NegativeInfinity;
    private long _maps;
    private float _timerS;

    /// <summary>How long a client's wish is worked at; then the game runs on by itself.</summary>
    public static double PatienceS { get; set; } = 60;

    /// <summary>A wish is told again where nothing loads for so long and no run came, or the menu is back.</summary>
    public static double AgainS { get; set; } = 5;

    /// <summary>A client wants a new run.</summary>
    public void Ask(double nowS)
    {
        (_isAsked, _sinceS) = (false, nowS);
        Try(nowS);
    }

    public bool IsLate(double nowS) => nowS - _sinceS > PatienceS;

    /// <summary>True in the first frame of the new run; until then asks again where the game was not ready.</summary>
    public bool IsReady(GameScreens screens, double nowS)
    {
        _loadedS = screens.Menu == MenuNames.Loading ? nowS : _loadedS;
        var isMainMenu = MapController.IsMainMenu();
        var isNewMap = Seeding.CountsMaps ? Seeding.Maps > _maps : _loadedS > _askedS || MyTime.runTimer < _timerS;
        var isQuiet = nowS - Math.Max(_askedS, _loadedS) > AgainS;
        if (!_isAsked || (isQuiet && (isMainMenu || !isNewMap)))
        {
            Try(nowS);
            return false;
        }
        var isNewTime = _timerS < NoTimeS || MyTime.runTimer < _timerS;
        return isNewMap && isNewTime && screens.Menu != MenuNames.Loading && !isMainMenu
            && GameManager.Instance != null && GameManager.Instance.IsPlaying();
    }

    private void Try(double nowS)
    {
        (_maps, _timerS, _askedS) = (Seeding.Maps, MyTime.runTimer, nowS);
        if (MapController.IsMainMenu())
        {
            Start();
        }
        else if (MapController.runConfig is not null)
        {
            _isAsked = true;
            MapController.RestartRun();
        }
    }

    private void Start()
    {
        var data = DataManager.Instance;
        if (data == null || data.maps is not { Count: > 0 } maps)
        {
            return;
        }
        _isAsked = true;
        MapController.StartNewMap(new RunConfig
        {
            mapData = maps[0], stageData = maps[0].stages[0]!, mapTierIndex = 0, musicTrackIndex = -1,
        });
    }
}
